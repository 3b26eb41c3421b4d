"""One feature set with every kind, transform and role, and random raw rows for it."""

import random

import pyarrow as pa
import pytest

from features.analysis import Analysis, NumericSummary
from features.specs import FeatureSet

CITIES = ["Oslo", "Lima", "Århus", "日本"]
GENRES = ["drama", "war"]
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "city": {"kind": "categorical", "num_oov_buckets": 3},
            "born_in": {"kind": "categorical", "vocabulary": "city"},
            "price": {"kind": "numeric"},
            "price_or_9": {"kind": "numeric", "column": "price", "default": 9.0},
            "raw": {"kind": "numeric", "column": "price", "transform": "raw"},
            "raw_or_9": {"kind": "numeric", "column": "price", "transform": "raw", "default": 9.0},
            "magnitude": {"kind": "numeric", "column": "price", "transform": "log2"},
            "level": {
                "kind": "numeric",
                "column": "price",
                "transform": "quantiles",
                "num_buckets": 4,
            },
            "hour": {"kind": "categorical", "column": "seen", "transform": "hour", "unit": "ms"},
            "hour_in_delhi": {
                "kind": "categorical",
                "column": "seen",
                "transform": "hour",
                "utc_offset_hours": 5.5,
            },
            "weekday": {"kind": "categorical", "column": "seen", "transform": "weekday"},
            "weekday_in_lima": {
                "kind": "categorical",
                "column": "seen",
                "transform": "weekday",
                "unit": "ms",
                "utc_offset_hours": -5,
            },
            "genres": {"kind": "multivalued", "separator": "|", "max_length": 3},
            "clicked_city": {
                "kind": "sequence",
                "vocabulary": "city",
                "history": "clicks",
                "max_length": 4,
                "column": "city",
            },
            "clicked_genre": {
                "kind": "sequence",
                "vocabulary": "genres",
                "history": "clicks",
                "max_length": 4,
                "column": "genres",
            },
            "trips": {"kind": "sequence", "vocabulary": "city", "separator": " ", "max_length": 2},
            "vector": {"kind": "embedding", "dimension": 2, "separator": " "},
            "clicked": {"role": "label", "column": "rating", "at_least": 4},
            "user": {"role": "group_key"},
            "time": {"role": "timestamp"},
            "weight": {"role": "weight"},
        },
        "groups": {"place": ["city", "born_in"], "all_clicks": ["clicked_city", "city"]},
        "histories": {"clicks": {"key": "user", "where": "clicked"}},
    }
)
_PRICE = NumericSummary(
    count=9, mean=3.5, variance=6.25, minimum=-4.0, maximum=99.0, boundaries=(0.1, 2.0, 7.3)
)
ANALYSIS = Analysis(
    vocabulary_sizes={"city": len(CITIES), "genres": len(GENRES)},
    numeric=dict.fromkeys(("price", "price_or_9", "level"), _PRICE),
)


def random_row(rng: random.Random) -> dict:
    """A typed raw row: one third of its values is missing, one fourth of its tokens unknown."""

    def maybe(value):
        return None if rng.random() < 1 / 3 else value

    def token(known):
        return maybe(rng.choice(known) if rng.random() < 3 / 4 else f"new{rng.randrange(50)}")

    def tokens(known, length=None):
        length = rng.randrange(8) if length is None else length
        return maybe([token(known) for _ in range(length)])

    clicks = rng.randrange(8)
    return {
        "city": token(CITIES),
        "born_in": token(CITIES),
        "price": maybe(rng.choice([0.1, 2.0, 7.3, 0.0, rng.gauss(3, 5), 2.0 ** rng.randint(0, 9)])),
        "seen": maybe(rng.randint(-(2**41), 2**41)),
        "genres": tokens(GENRES),
        "clicked_city": tokens(CITIES, clicks),
        "clicked_genre": tokens(GENRES, clicks),
        "trips": tokens(CITIES),
        "vector": maybe([rng.gauss(0, 1), 0.0]),
        "rating": float(rng.randint(1, 5)),
        "user": f"user{rng.randrange(5)}",
        "time": rng.randint(0, 2**40),
        "weight": rng.random(),
    }


@pytest.fixture(scope="session")
def features():
    return FEATURES


@pytest.fixture(scope="session")
def analysis():
    return ANALYSIS


@pytest.fixture(scope="session")
def rows():
    rng = random.Random(7)
    return [random_row(rng) for _ in range(500)]


@pytest.fixture(scope="session")
def raw_batch(rows):
    return pa.RecordBatch.from_pylist(rows, FEATURES.raw_schema())


@pytest.fixture(scope="session")
def vocabularies():
    return {"city": CITIES, "genres": GENRES}


@pytest.fixture(scope="session")
def vocabulary_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabularies")
    for name, tokens in (("city", CITIES), ("genres", GENRES)):
        (folder / f"{name}.txt").write_text("".join(f"{each}\n" for each in tokens), "utf-8")
    return str(folder)
