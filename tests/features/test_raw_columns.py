"""One column at a time: text, typed values, and the Arrow types of other readers."""

import json
import math

import pyarrow as pa
import pytest

from features.raw import coerce
from features.specs import FeatureSet


def one_column(settings, values):
    """Coerces one column beside a good one: values, their rows, reasons."""
    features = FeatureSet.model_validate(
        {"features": {"x": settings, "other": {"kind": "categorical"}}}
    )
    values = values if isinstance(values, pa.Array) else pa.array(values)
    block = pa.RecordBatch.from_pydict({"x": values, "other": ["-"] * len(values)})
    typed, good, reasons = coerce(block, features)
    return typed.column("x").to_pylist(), good.tolist(), reasons


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-40, 16_777_217, -3, True, 2**60])
def test_a_number_and_its_text_are_the_same_float64(number):
    typed, _, _ = one_column({"kind": "numeric"}, [number])
    text, _, _ = one_column({"kind": "numeric"}, [json.dumps(float(number))])
    assert typed == text == [float(number)]


@pytest.mark.parametrize("token", [7, -1, 2**40])
def test_a_number_that_is_a_token_reads_like_its_text(token):
    assert one_column({"kind": "categorical"}, [token, None])[0] == [str(token), None]
    ids = {"kind": "multivalued", "max_length": 1}
    assert one_column(ids, [[token, 8], None])[0] == [[str(token), "8"], None]
    assert one_column(ids, [token, 8])[0] == [[str(token)], ["8"]]


def test_a_separator_splits_and_without_one_text_is_one_token():
    tokens = {"kind": "sequence", "max_length": 9}
    texts = ["a|b", "", None, "a||b|"]
    assert one_column({**tokens, "separator": "|"}, texts)[0] == [
        ["a", "b"],
        None,
        None,
        ["a", "", "b", ""],
    ]
    assert [each or [] for each in one_column(tokens, texts)[0]] == [["a|b"], [], [], ["a||b|"]]


@pytest.mark.parametrize(
    ("settings", "values", "bad", "reason"),
    [
        ({"kind": "categorical"}, [["a"], None], [0], "x must be one token, got ['a']"),
        ({"kind": "categorical"}, [{"a": 1}, None], [0], "x must be one token, got {'a': 1}"),
        ({"kind": "numeric"}, [["a"], None], [0], "x must be a number, got ['a']"),
        ({"kind": "numeric"}, [1.0, math.nan, math.inf], [2], "x must be a number, got inf"),
        ({"kind": "numeric"}, [1.0, 1e300], [1], "x must be a number, got 1e+300"),
        (
            {"kind": "categorical", "transform": "hour"},
            [1.0, math.inf],
            [1],
            "x must be a time as a whole number or an ISO date, got inf",
        ),
        (
            {"kind": "categorical", "transform": "hour"},
            pa.array([10**9, None], pa.timestamp("us")),
            [0],
            "x must be a time as a whole number or an ISO date, got datetime",
        ),
        (
            {"kind": "multivalued", "max_length": 1},
            [[["a"]], None],
            [0],
            "x must be a list of tokens, got [['a']]",
        ),
        (
            {"kind": "multivalued", "max_length": 1},
            [{"a": 1}, None],
            [0],
            "x must be a list of tokens, got {'a': 1}",
        ),
        (
            {"kind": "embedding", "dimension": 2},
            [[1.0, 2.0], [1.0], [1.0, None], None],
            [1, 2],
            "x must be 2 numbers, got 1: [1.0]",
        ),
        (
            {"kind": "embedding", "dimension": 2},
            [[1.0, 2.0], [1.0, math.nan], [-1e39, 1.0], None],
            [1, 2],
            "x must be 2 numbers, got 2: [1.0, nan]",
        ),
        ({"kind": "embedding", "dimension": 2}, [1.5], [0], "x must be 2 numbers, got 1: ['1.5']"),
    ],
)
def test_typed_values_that_do_not_fit_have_a_reason_too(settings, values, bad, reason):
    received, good, reasons = one_column(settings, values)
    assert sorted(reasons) == bad
    assert reasons[bad[0]].startswith(reason)
    assert good == [row for row in range(len(values)) if row not in bad]
    assert len(received) == len(good)


@pytest.mark.parametrize(
    ("kind", "received", "expected"),
    [
        ({"kind": "categorical"}, pa.array(["a", ""], pa.large_string()), ["a", None]),
        ({"kind": "categorical"}, pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        ({"kind": "embedding", "dimension": 1}, pa.array([[1], [2]], pa.list_(pa.int8(), 1)),
         [[1.0], [2.0]]),
        ({"kind": "embedding", "dimension": 2}, pa.array(["1,2"]), None),
        ({"kind": "embedding", "dimension": 2},
         pa.array([[0, 0], [1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)).slice(1),
         [[1.0, 2.0], None, [3.0, 4.0]]),
        ({"kind": "sequence", "max_length": 1}, pa.array([["a"], []], pa.large_list(pa.string())),
         [["a"], []]),
        ({"kind": "numeric"}, pa.nulls(2), [None, None]),
        ({"kind": "sequence", "max_length": 1}, pa.nulls(2), [None, None]),
    ],
)  # fmt: skip
def test_arrow_types_of_other_readers_are_understood(kind, received, expected):
    values, _, reasons = one_column(kind, received)
    assert (values == expected and not reasons) if expected else list(reasons) == [0]


@pytest.mark.parametrize("value", ["9007199254740993", "-9007199254740993", " 5 ", "+5", "1.7e9"])
@pytest.mark.parametrize("neighbour", ["1", "not a time"])
def test_a_time_does_not_depend_on_its_neighbours(value, neighbour):
    hour = {"kind": "categorical", "transform": "hour"}
    values, _, _ = one_column(hour, [value, neighbour])
    assert values[0] == (int(float(value)) if "e" in value else int(value))


@pytest.mark.parametrize("at_least", [None, 4.0])
def test_a_label_may_be_any_number_only_where_a_limit_turns_it_into_one(at_least):
    label = {"role": "label", "at_least": at_least}
    _values, good, reasons = one_column(label, ["5", "1", "x", ""])
    assert good == ([1] if at_least is None else [0, 1])
    assert set(reasons) | set(good) == {0, 1, 2, 3}


def test_nan_is_missing_and_minus_zero_is_zero():
    values = [math.nan, -0.0, 12.0]
    assert one_column({"kind": "categorical"}, values)[0] == [None, "0", "12"]
    numbers = one_column({"kind": "numeric"}, values)[0]
    assert numbers == [None, 0.0, 12.0]
    assert math.copysign(1.0, numbers[1]) == 1.0
    tags = {"kind": "multivalued", "max_length": 3}
    assert one_column(tags, [values, [1.5]])[0] == [[None, "0", "12"], ["1.5"]]


@pytest.mark.parametrize(
    "values",
    [["True", "False"], ["true", "0.0"], [True, False], ["1", "-0.0"], [1, -0.0], ["TRUE", "0"]],
)
def test_a_label_may_be_written_as_a_truth(values):
    labels, _, reasons = one_column({"role": "label"}, values)
    assert (labels, reasons) == ([1.0, 0.0], {})


def test_a_named_text_may_be_the_positive_label():
    label = {"role": "label", "positive": "click"}
    labels, good, reasons = one_column(label, ["click", "view", None, "Click"])
    assert (labels, good) == ([1.0, 0.0, 0.0], [0, 1, 3])
    assert reasons == {2: "x is the label and must be 0 or 1, got nothing"}


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_iso_texts_and_seconds_with_a_fraction_are_times(unit):
    hour = {"kind": "categorical", "transform": "hour", "unit": unit}
    texts = ["2022-04-15 05:22:21", "2022-04-15T07:22:21+02:00", "1650000141.75", None]
    scale = 1000 if unit == "ms" else 1
    values, _, reasons = one_column(hour, texts)
    assert (values, reasons) == ([1650000141 * scale] * 2 + [1650000141, None], {})


@pytest.mark.parametrize(
    ("settings", "values", "expected"),
    [
        ({"kind": "categorical"}, ["-1", "-1.0", "NULL", "1", ""], [None, None, None, "1", None]),
        ({"kind": "categorical"}, [-1, 1], [None, "1"]),
        ({"kind": "categorical"}, [-1.0, 1.5], [None, "1.5"]),
        ({"kind": "numeric"}, ["-1", "-1e0", "NULL", "2"], [None, None, None, 2.0]),
        ({"kind": "numeric"}, [-1.0, 2.5], [None, 2.5]),
        ({"kind": "categorical", "transform": "hour"}, ["-1", "-1.0", "7"], [None, None, 7]),
        ({"kind": "categorical", "transform": "hour"}, [-1, 7], [None, 7]),
        ({"kind": "multivalued", "max_length": 2}, [-1, 7], [None, ["7"]]),
        (
            {"kind": "multivalued", "max_length": 2, "separator": "|"},
            ["-1", "-1.0", "-1|2", "NULL"],
            [None, None, ["-1", "2"], None],
        ),
        ({"kind": "embedding", "dimension": 1, "separator": " "}, ["NULL", "2"], [None, [2.0]]),
    ],
)
def test_what_means_missing_is_missing_in_every_writing_and_type(settings, values, expected):
    received, _, reasons = one_column({**settings, "null_values": ["NULL", "-1"]}, values)
    assert not reasons
    if settings["kind"] == "multivalued":  # no list and an empty one are the same to the graph
        received = [each or None for each in received]
    assert received == expected


def test_a_null_value_written_with_a_point_is_that_number_too():
    received, _, _ = one_column({"kind": "categorical", "null_values": ["0.0"]}, ["0", "0.0", "1"])
    assert received == [None, None, "1"]


def test_a_time_that_is_no_number_in_a_column_of_doubles_is_missing():
    assert one_column({"kind": "categorical", "transform": "hour"}, [math.nan, 7.5])[0] == [None, 7]
