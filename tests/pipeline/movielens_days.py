"""Logs of consecutive days in the layout of MovieLens-100K: items come and go, users grow older."""

from pathlib import Path

import numpy as np

from features.config import parse
from features.specs import FeatureSet
from pipeline.data.settings.data_config import DataConfig

ROWS = 300
CONTENT = {
    "features": {
        "user_id": {"kind": "categorical"},
        "age": {"kind": "numeric"},
        "age_bucket": {
            "kind": "numeric",
            "column": "age",
            "transform": "quantiles",
            "num_buckets": 3,
        },
        "item_id": {"kind": "categorical", "min_count": 2},
        "genres": {"kind": "multivalued", "separator": " ", "max_length": 3},
        "seen": {
            "kind": "sequence",
            "history": "ratings",
            "column": "item_id",
            "vocabulary": "item_id",
            "max_length": 4,
        },
        "liked": {"role": "label", "column": "rating", "at_least": 4},
        "user": {"role": "group_key", "column": "user_id"},
        "timestamp": {"role": "timestamp"},
    },
    "histories": {"ratings": {"key": "user_id"}},
}


def features(**changes):
    """The features with changed settings; None removes a feature."""
    content = {name: dict(spec) for name, spec in CONTENT["features"].items()}
    for name, settings in changes.items():
        if settings is None:
            del content[name]
        else:
            content[name] = {**content.get(name, {}), **settings}
    return FeatureSet(features=content, histories=CONTENT["histories"])


def write_day(folder: Path, day: int, no_genres: bool = False) -> list[tuple[str, str]]:
    """A day's log; every day 5 items leave, 5 come, and users are 3 years older.

    Returns:
        (user, item) of each row, in the order of their times.
    """
    rng = np.random.default_rng(day)
    folder.mkdir()
    pairs = [
        (f"u{user}", f"i{item}")
        for user, item in zip(
            rng.integers(day, day + 10, ROWS), 5 * day + rng.zipf(1.4, ROWS) % 20, strict=True
        )
    ]
    log = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    log += [
        f"{user}\t{item}\t{rng.integers(1, 6)}\t{86_400 * day + 60 * row}"
        for row, (user, item) in enumerate(pairs)
    ]
    users = ["user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"]
    users += [f"u{user}\t{20 + 3 * day + user}\tM\tstudent\t1" for user in range(99)]
    items = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    genres = "" if no_genres else "Drama Day{}"
    items += [f"i{item}\tTitle\t1990\t{genres.format(day)}" for item in range(199)]
    for name, lines in (("inter", log), ("user", users), ("item", items)):
        (folder / f"ml-100k.{name}").write_text("\n".join(lines) + "\n")
    return pairs


def settings(path, earlier=None, mode="extended", **changes):
    """Settings of `data`; with `earlier` the ids of that bundle are kept."""
    content = {
        "source": "movielens_100k",
        "path": str(path),
        "block_rows": 64,
        "rows_per_shard": 200,
        "history_partitions": 2,
        **({"vocabularies": {"from": str(earlier), "mode": mode}} if earlier else {}),
        **changes,
    }
    return parse(DataConfig, content, "test")


def lines(bundle, vocabulary):
    """The tokens of a vocabulary's file."""
    return Path(bundle.vocabulary_dir, f"{vocabulary}.txt").read_text().splitlines()
