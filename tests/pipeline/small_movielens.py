"""Files in the layout of MovieLens-100K, small, with tastes that a network can learn."""

from pathlib import Path

import numpy as np

USERS, ITEMS, RATINGS = 40, 60, 3000
# With these a network learns the tastes in two epochs; from the defaults it needs many.
LEARNING = (
    "train.batch_size=100",
    "train.learning_rate=0.01",
    "model.embedding.stddev=0.1",
    "model.embedding.l2=0.0",
)
GENRES = ("Action", "Comedy", "Drama", "Horror")


def write_small_movielens(folder: Path) -> Path:
    """A user likes what shares the parity of their genre; one rating in ten is noise."""
    rng = np.random.default_rng(3)
    genre = rng.integers(0, len(GENRES), ITEMS + 1)
    taste = rng.integers(0, len(GENRES), USERS + 1)
    folder.mkdir(parents=True, exist_ok=True)
    log = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for row in range(RATINGS):
        user, item = rng.integers(1, USERS + 1), rng.integers(1, ITEMS + 1)
        likes = (genre[item] + taste[user]) % 2 == 0
        if rng.random() < 0.1:
            likes = not likes
        stars = rng.integers(4, 6) if likes else rng.integers(1, 4)
        log.append(f"{user}\t{item}\t{stars}\t{880_000_000 + 977 * row}")
    _write(folder / "ml-100k.inter", log)
    users = ["user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"]
    users += [
        f"{user}\t{20 + user}\t{'MF'[user % 2]}\tjob{taste[user]}\t12345"
        for user in range(1, USERS + 1)
    ]
    _write(folder / "ml-100k.user", users)
    items = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    items += [
        f"{item}\tTitle\t{1950 + item % 9}\t{GENRES[genre[item]]} Other"
        for item in range(1, ITEMS + 1)
    ]
    _write(folder / "ml-100k.item", items)
    return folder


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n")
