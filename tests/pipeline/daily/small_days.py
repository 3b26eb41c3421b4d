"""Logs of a few days as CSV files, small, with tastes that a network can learn."""

from pathlib import Path

import numpy as np

USERS, ITEMS, ROWS = 40, 60, 1_200
CONFIG = """
data:
  source: csv
  path: logs/{day}.csv
  split: {by: hash, valid: 0.2, test: 0.3}
  history_partitions: 2
features:
  user: {kind: categorical}
  item: {kind: categorical}
  genre: {kind: categorical}
  price: {kind: numeric}
  click: {role: label}
  who: {role: group_key, column: user}
  ts: {role: timestamp}
model:
  preset: dnn
  embedding: {l2: 0.0, stddev: 0.1}
train:
  batch_size: 100
  learning_rate: 0.03
  epochs: 6
  baseline: false
daily:
  check: {min_rows: 500, l_infinity: 0.3}
  bless:
    auc: -0.1
    gauc: null
    logloss: 0.5
    calibration: [0.5, 2.0]
    auc_fall: 0.3
    normalized_entropy: 1.2
    samples: 50
    slices: [genre]
    slice_rows: 30
    slice_auc: -0.9
"""


def write_day(
    folder: Path, day: int, rows: int = ROWS, no_price: bool = False, leaking: bool = False
) -> Path:
    """The log of a day of November 2026; every day two items leave, and two new ones come.

    Items of even numbers are clicked, and one click in ten is noise.

    Args:
        folder: Where `2026-11-DAY.csv` is written.
        day: Day of the month.
        rows: Rows of the log.
        no_price: Leave every price empty.
        leaking: Write the label into the price.
    """
    rng = np.random.default_rng(day)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["user,item,genre,price,click,ts"]
    for row in range(rows):
        user, item = rng.integers(USERS), 2 * day + rng.integers(ITEMS)
        click = int(item % 2 == 0) ^ int(rng.random() < 0.1)
        price = f"{rng.gamma(2.0):.3f}"
        if leaking:
            price = f"{click + rng.random() / 100:.3f}"
        if no_price and row:
            price = ""
        moment = 1_793_491_200 + 86_400 * (day - 1) + 60 * row
        lines.append(f"u{user},i{item},g{item % 3},{price},{click},{moment}")
    path = folder / f"2026-11-{day:02d}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_config(folder: Path) -> Path:
    """The configuration of these logs, to be used from their folder."""
    path = folder / "my.yaml"
    path.write_text(CONFIG)
    return path
