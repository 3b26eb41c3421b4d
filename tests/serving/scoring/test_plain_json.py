"""The fast reader of JSON lines beside the careful one: the same rows, or the same sentence."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.specs import FeatureSet
from serving.scoring.plain_json import PlainJson
from serving.scoring.raw_rows import read_rows

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical", "null_values": ["-1"]},
            "price": {"kind": "numeric", "null_values": ["-1"]},
            "tags": {"kind": "multivalued", "separator": "|", "max_length": 3},
            "clicked": {"kind": "sequence", "column": "item", "history": "h", "max_length": 3},
            "hour": {"kind": "categorical", "column": "time", "transform": "hour"},
            "picture": {"kind": "embedding", "dimension": 2, "separator": " "},
            "moment": {"role": "timestamp", "column": "time"},
        },
        "histories": {"h": {"key": "user"}},
    }
)
SPECS = {spec.raw_name: spec for spec in FEATURES.inputs}
GOOD = {
    "user": "7",
    "price": 2.5,
    "tags": ["a", "b"],
    "clicked": ["i1", "i2"],
    "time": 1_700_000_000,
    "picture": [1.0, 2.0],
}
SCALARS = ["", "a", "5", "-1", "a|b", "é\u2028", "\0", "2026-11-01", "NaN", "inf"]
SCALARS += [0, 5, -1, 2**53 + 1, 2**62 + 1, 2**64, True, False, None]
SCALARS += [9007199254740993.0, 0.5, -0.0, 5.0, -1.0, 1e-7, 1e16, 1e22, 123456789.125, 1e300]
LISTS = [[], ["a"], ["a", None], [""], [1, 2], [1.0, 2.5], [-0.0, 1e-5], [1, 2.5], ["a", 1]]
LISTS += [[[1]], [1.5, 2**53 + 1]]
DAMAGE = [
    "",
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    "\n",
    "\r\n",
    " ",
    "NaN",
    "\\",
    "\ufeff",
    "1",
    "e",
    "\0",
]
values = st.sampled_from(SCALARS + LISTS + [{"a": 1}])


def outcome(content: bytes, block_rows: int) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_bytes(content)
        rows: list[str] = []
        try:
            for batch in read_rows(str(path), FEATURES, block_rows):
                rows += map(repr, batch.to_pylist())  # tells -0.0 from 0.0
        except DataError as error:
            return rows, str(error).replace(folder, "")
        return rows


def assert_same(text: str, block_rows: int) -> None:
    content = text.encode("utf-8", "surrogatepass")
    fast = outcome(content, block_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainJson, "columns", lambda self, piece, sample: None)
        assert fast == outcome(content, block_rows)


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(sorted(SPECS)), st.lists(values, max_size=4), st.sampled_from([1, 3, 4096]))
def test_any_values_of_a_column_read_alike(name, column, block_rows):
    assert_same(lines([GOOD, *({**GOOD, name: value} for value in column)]), block_rows)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.dictionaries(st.sampled_from([*SPECS, "other"]), values), max_size=3),
    st.integers(0, 400),
    st.sampled_from(DAMAGE),
    st.integers(0, 3),
    st.sampled_from([1, 2, 4096]),
)
def test_rows_that_are_damaged_in_one_place_read_alike(rows, place, damage, removed, block_rows):
    text = lines([GOOD, *rows])
    assert_same(text[:place] + damage + text[place + removed :], block_rows)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(DAMAGE)).map("".join))
def test_any_text_behind_a_row_reads_alike(text):
    assert_same(lines([GOOD]) + text, 4096)


def columns_of(text: str) -> list[list] | None:
    sample = [json.loads(line) for line in text.splitlines()[:8]]
    columns = PlainJson(SPECS).columns(text.encode(), sample)
    return None if columns is None else [column.to_pylist() for column in columns]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_lines_are_read_fast(end):
    rows = [GOOD, dict.fromkeys(GOOD), {}, {**GOOD, "other": {"a": [1, "x"]}, "user": "é\n"}]
    text = end.join(map(json.dumps, rows))
    expected = [
        ["7", None, None, "é\n"],
        [2.5, None, None, 2.5],
        [["a", "b"], None, None, ["a", "b"]],
        [["i1", "i2"], None, None, ["i1", "i2"]],
        [1_700_000_000, None, None, 1_700_000_000],
        [["1", "2"], None, None, ["1", "2"]],
    ]
    assert columns_of(text) == expected


@pytest.mark.parametrize(
    ("first", "text"),
    [
        ({"user": "a"}, '{"user": "a"}\n\n{"user": "b"}\n'),
        ({"user": "a"}, '{"user": "a"} {"user": "b"}\n'),
        ({"user": "a"}, '{"user": "a"}{\n}\n'),
        ({"user": "a"}, '{"user": "a", "user": "b"}\n'),
        ({"price": 1}, '{"price": 1}\n{"price": NaN}\n'),
        ({"price": 1.5}, '{"price": 1.5}\n{"price": 9007199254740993}\n'),
        ({"user": 1}, '{"user": 1}\n{"user": "a"}\n'),
        ({"user": 1}, '{"user": 1}\n{"user": 2.5}\n'),
        ({"tags": 5}, '{"tags": 5}\n'),
        ({}, "null\n"),  # which ends the process where Arrow's parser gets it
    ],
)
def test_what_is_in_doubt_is_left_to_the_careful_reader(first, text):
    assert PlainJson(SPECS).columns(text.encode(), [first]) is None


@pytest.mark.parametrize("depth", [50, 900, 1_000_000])
def test_deep_nesting_never_reaches_the_parser(depth):
    text = json.dumps(GOOD)[:-1] + ', "other": ' + "[" * depth + "]" * depth + "}\n"
    received = PlainJson(SPECS).columns(text.encode(), [GOOD])
    assert (received is not None) == (depth < 100)
