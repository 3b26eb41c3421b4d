"""Random feature sets, with every kind, transform and role, and random rows for them."""

from collections.abc import Callable

import hypothesis.strategies as st

from features.specs import FeatureSet
from tests.pipeline.data.job.row_oracle import NUMBERS, TIMES

SPLITS = (100, 200)  # first time of valid and of test
_TOKENS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "é", "日本"]), st.text("ab \n\r\0", max_size=3)
)
_LISTS = st.none() | st.lists(_TOKENS, max_size=5)
_GOOD = {
    "c0": "a",
    "c1": "a",
    "l0": ["a"],
    "l1": ["a"],
    "s0": "a|b",
    "n0": "1",
    "n1": "4",
    "t0": "0",
    "v0": [0.5, -1.0],
    "flag": "1",
    "user": "u0",
    "weight": "1",
}
# What random lists and numbers seldom hold; these rows are in every log.
_AWKWARD = [
    {"l0": ["a", None, "b"], "l1": [None, "a"], "s0": "a||b", "c0": None, "n0": "-3.25"},
    {"l0": ["a", "", "a", None], "l1": [], "s0": "|a|", "c0": "b", "n1": None, "v0": None},
    {"l0": None, "l1": ["\r", "é"], "s0": "", "c1": "", "n0": None, "t0": None},
]


@st.composite
def feature_sets(draw: Callable) -> FeatureSet:
    features = {
        "row": {"kind": "numeric", "transform": "raw"},
        "label": {"role": "label", **draw(st.sampled_from([{}, {"at_least": 1.0}]))},
        "key": {"role": "group_key", "column": "user"},
        "time": {"role": "timestamp"},
    }
    if draw(st.booleans()):
        features["weight"] = {"role": "weight"}
    histories = {}
    if draw(st.booleans()):
        where = draw(st.sampled_from([{}, {"where": "flag"}]))
        histories["past"] = {"key": "user", **where}
    history_length = draw(st.integers(1, 3))
    for number in range(draw(st.integers(1, 2))):
        vocabulary = f"v{number}"
        limits = {
            "min_count": draw(st.integers(1, 2)),
            "max_tokens": draw(st.none() | st.integers(1, 4)),
            "num_oov_buckets": draw(st.integers(1, 3)),
        }
        owner = draw(st.sampled_from([_categorical, _multivalued, _sequence]))(draw)
        features[vocabulary] = {**owner, **limits}
        for member in range(draw(st.integers(0, 2))):
            make = draw(st.sampled_from([_categorical, _multivalued, _sequence]))
            features[f"m{number}{member}"] = {**make(draw), "vocabulary": vocabulary}
        if histories:
            features[f"h{number}"] = {
                "kind": "sequence",
                "history": "past",
                "column": draw(st.sampled_from(["c0", "c1"])),
                "vocabulary": vocabulary,
                "max_length": history_length,
            }
    for number in range(draw(st.integers(0, 3))):
        make = draw(st.sampled_from([_numeric, _numeric, _time, _embedding]))
        features[f"x{number}"] = make(draw)
    if not any(spec.get("history") for spec in features.values()):
        histories = {}
    return FeatureSet(features=features, histories=histories)


def _categorical(draw: Callable) -> dict:
    return {"kind": "categorical", "column": draw(st.sampled_from(["c0", "c1"]))}


def _multivalued(draw: Callable) -> dict:
    return {"kind": "multivalued", "max_length": draw(st.integers(1, 3)), **_list_column(draw)}


def _sequence(draw: Callable) -> dict:
    return {"kind": "sequence", "max_length": draw(st.integers(1, 3)), **_list_column(draw)}


def _list_column(draw: Callable) -> dict:
    separated = {"column": "s0", "separator": "|"}
    return draw(st.sampled_from([{"column": "l0"}, {"column": "l1"}, separated]))


def _numeric(draw: Callable) -> dict:
    column = draw(st.sampled_from(["n0", "n1"]))
    transform = draw(st.sampled_from(["zscore", "raw", "log2", "quantiles"]))
    more = {}
    if transform == "quantiles":
        more["num_buckets"] = draw(st.integers(2, 5))
    elif transform != "log2":
        more["default"] = draw(st.sampled_from([None, 2.0]))
    return {"kind": "numeric", "column": column, "transform": transform, **more}


def _time(draw: Callable) -> dict:
    return {
        "kind": "categorical",
        "column": "t0",
        "transform": draw(st.sampled_from(["hour", "weekday", "weekend"])),
        "unit": draw(st.sampled_from(["s", "ms"])),
        "utc_offset_hours": draw(st.sampled_from([0.0, 5.5, -8.0])),
    }


def _embedding(draw: Callable) -> dict:
    return {"kind": "embedding", "column": "v0", "dimension": 2}


@st.composite
def logs(draw: Callable, max_rows: int = 25) -> list[dict]:
    """Rows, nine of them good: each split has both labels, and each vocabulary a token twice."""
    rows = [
        {**_GOOD, "time": str(time), "label": label} for time in (0, 100, 200) for label in "01"
    ]
    rows += [{**_GOOD, **row, "time": "99", "label": "1"} for row in _AWKWARD]
    number = st.sampled_from([*NUMBERS, *["1", "4", "0.1"] * 5])  # so that most rows are good
    row = st.fixed_dictionaries(
        {
            "c0": _TOKENS,
            "c1": _TOKENS,
            "l0": _LISTS,
            "l1": _LISTS,
            "s0": st.none() | st.text("ab|", max_size=6),
            "n0": number,
            "n1": number,
            "t0": st.sampled_from([*TIMES, *["0", "1650000000"] * 5]),
            "v0": st.sampled_from([None, [0.1, 2.0], [1.0, 0.0], [1.0]]),
            "flag": st.sampled_from(["0", "1", None]),
            "user": st.sampled_from(["u0", "u1", "ü", None, ""]),
            "weight": st.sampled_from(["0", "1", "0.1", "-3.25"]),
            "time": st.integers(-9, 300).map(str) | st.sampled_from([None, "x"]),
            "label": st.sampled_from(["0", "1", "0", "1", "0", "1", "x", None, "4"]),
        }
    )
    rows += draw(st.lists(row, max_size=max_rows))
    order = draw(st.permutations(range(len(rows))))
    return [{**rows[place], "row": str(number)} for number, place in enumerate(order)]
