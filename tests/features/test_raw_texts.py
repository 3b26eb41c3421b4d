"""Arrow columns of any type have the texts that `text_of` has for their values."""

import datetime
import decimal
import math
import uuid

import numpy as np
import pyarrow as pa
import pytest

from features.raw_texts import NotTextError, has_text, texts, tokens
from features.raw_values import text_of, token_of

RNG = np.random.default_rng(7)
DOUBLES = [
    0.0, -0.0, 12.0, -12.0, 0.1, 1.5e10, 12345678904.0, 15000000000.5, 2.0**53, 2.0**53 + 2, 1e16,
    1e-5, 1e-7, 1e300, -1e-300, math.inf, 1e15 + 0.5, 9999999999.5,
    *RNG.normal(size=50), *np.exp(RNG.normal(scale=40, size=50)), *RNG.integers(-99, 99, 50) / 4,
]  # fmt: skip
NOON = datetime.datetime(2022, 4, 15, 12, 0, 0, 123_456)
COLUMNS = {
    "text": pa.array(["a", "", "12.0", None]),
    "large text": pa.array(["a", None], pa.large_string()),
    "dictionary": pa.array([1.0, 2.5, None, 1.0]).dictionary_encode(),
    "double": pa.array([*map(float, DOUBLES), None]),
    "whole doubles": pa.array([1.0, -0.0, None, 1e10]),
    "float": pa.array([0.1, 16_777_216.0, 1e-5, 1e20, None], pa.float32()),
    "half": pa.array([1.5, 2.0, None], pa.float16()),
    "nan": pa.array([math.nan, 1.0]),
    "int": pa.array([2**62, -1, None]),
    "unsigned": pa.array([2**64 - 1], pa.uint64()),
    "truth": pa.array([True, False, None]),
    "decimal": pa.array(
        [decimal.Decimal(text) for text in ("1.0000000000", "100", "1E-10", "0.00001", "-0", "2.5")]
        + [None],
        pa.decimal128(38, 10),
    ),
    "plain decimal": pa.array([decimal.Decimal("100.00"), None, decimal.Decimal("-1.50")]),
    "whole decimal": pa.array([decimal.Decimal("100"), None], pa.decimal128(5, 0)),
    "instant": pa.array([NOON, None], pa.timestamp("us")),
    "zoned": pa.array([NOON.replace(tzinfo=datetime.timezone.utc)], pa.timestamp("ns", "UTC")),
    "date": pa.array([NOON.date(), None]),
    "date64": pa.array([NOON.date(), None], pa.date64()),
    "bytes": pa.array([b"a", "é".encode(), None]),
    "fixed bytes": pa.array([b"ab", None], pa.binary(2)),
    "uuid": pa.array([uuid.UUID(int=7).bytes, None], pa.uuid()),
    "nothing": pa.nulls(2),
}


def values_of(column):
    """Python values; NumPy scalars of the column's own type for numbers with fewer digits."""
    if pa.types.is_floating(column.type) and column.type != pa.float64():
        return [None if value is None else np.float32(value) for value in column.to_pylist()]
    return column.to_pylist()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_has_the_texts_of_its_values(name):
    column = COLUMNS[name]
    expected = [text_of(value) for value in values_of(column)]
    assert texts(column).to_pylist() == expected
    assert tokens(texts(column)).to_pylist() == [
        None if text is None else token_of(text) for text in expected
    ]
    assert texts(column.slice(1)).to_pylist() == expected[1:]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2)])
def test_lists_have_the_texts_of_their_values(kind):
    lists = [[1.0, math.nan], None, [-0.0, None], [2.5, 1e10]]
    expected = [["1", None], None, ["0", None], ["2.5", "10000000000"]]
    column = pa.array(lists, kind(pa.float64()))
    assert texts(column).to_pylist() == expected
    assert texts(column.slice(1)).to_pylist() == expected[1:]
    instants = pa.array([[NOON]] if kind in (pa.list_, pa.large_list) else [[NOON, None]],
                        kind(pa.timestamp("ms")))  # fmt: skip
    assert texts(instants).to_pylist()[0][0] == text_of(NOON)


def test_tokens_of_lists_are_those_of_their_texts():
    column = pa.array([["12.0", "x"], None, [], ["True", None]])
    assert tokens(column).to_pylist() == [["12", "x"], None, [], ["1", None]]
    assert tokens(column.slice(2)).to_pylist() == [[], ["1", None]]


@pytest.mark.parametrize(
    "text", ["1.0", "-0", "true", "True", "TRUE", "false", "False", "FALSE", "-12.000"]
)
def test_each_other_writing_is_seen_among_plain_texts(text):
    column = pa.array(["plain", None, text, "0xfe"])
    assert tokens(column).to_pylist() == ["plain", None, token_of(text), "0xfe"]
    assert tokens(column.slice(1, 2)).to_pylist() == [None, token_of(text)]


def test_texts_that_need_no_change_are_not_copied():
    column = pa.array(["plain", "ulna", "-1", "v1.2", None])
    assert tokens(column) is column


def test_bytes_that_are_no_text_are_told():
    with pytest.raises(NotTextError, match="bytes that are not UTF-8 text"):
        texts(pa.array([b"a", b"\xff"]))


def test_nested_values_have_no_text():
    assert has_text(pa.list_(pa.int64()))
    assert has_text(pa.int64())
    assert not has_text(pa.struct([("a", pa.int64())]))
    assert not has_text(pa.list_(pa.list_(pa.int64())))
