"""A log whose columns are known: what `inspect` must find in it."""

import csv
from pathlib import Path

import numpy as np

ROWS = 1_200
START = 1_700_000_000


def planted_columns(seed: int = 0, rows: int = ROWS) -> dict[str, list[str]]:
    """Columns of text; the empty text is missing. The label is `clicked`."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 60, rows), rng.integers(0, 40, rows)
    taste = rng.normal(size=(60, 40))
    clicked = (taste[users, items] + rng.normal(size=rows) > 0.3).astype(int)
    shown = rng.integers(0, 40, (rows, 12))
    lengths = rng.integers(1, 12, rows)
    tags = [f"t{n}" for n in range(15)]
    columns = {
        "row": [str(n) for n in range(rows)],
        "user_id": [str(10_000 + user) for user in users],
        "item_id": [f"i{item}" for item in items],
        "ts": [str(START + 60 * n) for n in range(rows)],
        "clicked": [str(each) for each in clicked],
        "user_city": [["oslo", "lima", ""][user % 3] for user in users],
        "item_price": [f"{value:.2f}" for value in rng.normal(50, 5, rows)],
        "impressions": [str(int(value)) for value in rng.lognormal(2, 2, rows)],
        "item_tags": ["|".join(tags[: 1 + item % 4]) for item in items],
        "hist_items": [
            ",".join(f"i{n}" for n in row[:length])
            for row, length in zip(shown, lengths, strict=True)
        ],
        "vector": [" ".join(f"{x:.3f}" for x in row) for row in rng.normal(size=(rows, 4))],
        "constant": ["x"] * rows,
        # What happens after a click: known too late.
        "play_time": [f"{3 + rng.random():.3f}" if each else "0" for each in clicked],
        "order_id_hash": [f"o{n}" if each else "" for n, each in enumerate(clicked)],
        "noisy_copy": [str(each if rng.random() < 0.97 else 1 - each) for each in clicked],
        "is_liked": [str(int(rng.random() < 0.1)) for _ in range(rows)],
    }
    return columns


SUSPECTS = {"play_time", "order_id_hash", "noisy_copy", "is_liked"}
KINDS = {
    "user_id": "categorical",
    "item_id": "categorical",
    "user_city": "categorical",
    "item_price": "numeric",
    "impressions": "numeric",
    "item_tags": "multivalued",
    "hist_items": "sequence",
    "vector": "embedding",
}


def write_table(path: Path, columns: dict[str, list[str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path
