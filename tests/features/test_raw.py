"""Whole rows: every one is typed, or set aside with a reason."""

import numpy as np
import pyarrow as pa
import pytest

from features.errors import DataError
from features.raw import coerce
from features.specs import FeatureSet

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "city": {"kind": "categorical"},
            "price": {"kind": "numeric"},
            "hour": {"kind": "categorical", "column": "seen", "transform": "hour"},
            "genres": {"kind": "multivalued", "max_length": 2, "separator": "|"},
            "vector": {"kind": "embedding", "dimension": 2},
            "clicked": {"role": "label"},
            "user": {"role": "group_key"},
            "time": {"role": "timestamp"},
            "weight": {"role": "weight"},
        }
    }
)
GOOD = {
    "city": "Oslo",
    "price": "2.5",
    "seen": "-7",
    "genres": "war|drama",
    "vector": "0.5 -1e2",
    "clicked": "1",
    "user": "u1",
    "time": "1650000000",
    "weight": "0.25",
}
PARSED = {
    "city": "Oslo",
    "price": 2.5,
    "seen": -7,
    "genres": ["war", "drama"],
    "vector": [0.5, -100.0],
    "clicked": 1.0,
    "user": "u1",
    "time": 1650000000,
    "weight": 0.25,
}


def batch(*rows) -> pa.RecordBatch:
    """Columns as Arrow infers them."""
    return pa.RecordBatch.from_pylist(list(rows))


def test_text_becomes_the_types_of_the_raw_schema():
    typed, good, reasons = coerce(batch(GOOD), FEATURES)
    assert typed.schema == FEATURES.raw_schema()
    assert typed.to_pylist() == [PARSED]
    assert good.dtype == np.int64
    assert (good.tolist(), reasons) == ([0], {})


def test_typed_values_and_their_text_agree():
    typed, _, reasons = coerce(batch(PARSED), FEATURES)
    assert reasons == {}
    assert typed.equals(coerce(batch(GOOD), FEATURES)[0])
    assert coerce(typed, FEATURES)[0].equals(typed)


@pytest.mark.parametrize("empty", ["", None], ids=["empty text", "null"])
def test_inputs_may_be_missing(empty):
    inputs = ("city", "price", "seen", "genres", "vector")
    row = {**GOOD, **dict.fromkeys(inputs, empty)}
    typed, _, reasons = coerce(batch(row), FEATURES)
    assert reasons == {}
    assert {name: typed.to_pylist()[0][name] or None for name in inputs} == dict.fromkeys(inputs)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("price", "n/a", "price must be a number, got 'n/a'"),
        ("price", "nan", "price must be a number, got 'nan'"),
        ("price", "-inf", "price must be a number, got '-inf'"),
        ("price", "1_000", "price must be a number, got '1_000'"),
        ("price", "1,5", "price must be a number, got '1,5'"),
        ("price", "1e39", "price must be a number, got '1e39'"),
        ("seen", "noon", "seen must be a time as a whole number or an ISO date, got 'noon'"),
        ("seen", "2022-02-30", "whole number or an ISO date, got '2022-02-30'"),
        ("seen", "0x1F", "seen must be a time as a whole number or an ISO date, got '0x1F'"),
        ("seen", "1e30", "seen must be a time as a whole number or an ISO date, got '1e30'"),
        (
            "seen",
            "9" * 5000,
            "seen must be a time as a whole number or an ISO date, got '" + "9" * 76 + "...",
        ),
        ("seen", "9223372036854775808", "whole number or an ISO date, got '9223372036854775808'"),
        ("vector", "1", "vector must be 2 numbers, got 1: ['1']"),
        ("vector", "1 x", "vector must be 2 numbers, got 2: ['1', 'x']"),
        ("vector", "1 1e39", "vector must be 2 numbers, got 2: ['1', '1e39']"),
        ("clicked", "2", "clicked is the label and must be 0 or 1, got '2'"),
        ("clicked", "0.5", "clicked is the label and must be 0 or 1, got '0.5'"),
        ("clicked", "", "clicked is the label and must be 0 or 1, got nothing"),
        ("clicked", "yes", "clicked must be a number, got 'yes'"),
        ("user", "", "user must not be empty, got nothing"),
        ("time", "", "time must not be empty, got nothing"),
        ("weight", "-1", "weight is a weight and must be >= 0, got '-1'"),
        ("weight", "", "weight is a weight and must be >= 0, got nothing"),
    ],
)
@pytest.mark.parametrize("neighbours", [0, 2])
def test_a_bad_value_sets_its_row_aside_with_column_and_value(column, value, reason, neighbours):
    rows = [GOOD] * neighbours + [{**GOOD, column: value}] + [GOOD] * neighbours
    typed, good, reasons = coerce(batch(*rows), FEATURES)
    assert list(reasons) == [neighbours]
    assert reason in reasons[neighbours]
    assert good.tolist() == [row for row in range(len(rows)) if row != neighbours]
    assert typed.to_pylist() == [PARSED] * 2 * neighbours
    assert typed.schema == FEATURES.raw_schema()


def test_good_and_bad_rows_partition_any_block():
    rng = np.random.default_rng(7)
    choices = {
        name: [value, value, value, value, "", "x", "-1", "1e39", "1 2"]
        for name, value in GOOD.items()
    }
    rows = [
        {name: values[rng.integers(len(values))] for name, values in choices.items()}
        for _ in range(1000)
    ]
    block = batch(*rows)
    typed, good, reasons = coerce(block, FEATURES)
    assert sorted([*good.tolist(), *reasons]) == list(range(1000))
    assert good.tolist() == sorted(good.tolist())
    assert 10 < len(good) < 990
    # Row by row the same comes out as from the block, also from slices of it.
    alone = [coerce(block.slice(row, 1), FEATURES) for row in range(1000)]
    assert [reason for _, _, each in alone for reason in each.values()] == [
        reasons[row] for row in sorted(reasons)
    ]
    kept = pa.Table.from_batches([one for one, _, _ in alone]).to_pylist()
    assert kept == typed.to_pylist()


def test_coded_tokens_are_the_tokens_each_once_in_its_dictionary():
    features = FeatureSet.model_validate(
        {
            "features": {
                "city": {"kind": "categorical", "null_values": ["none", "-1"]},
                "genres": {"kind": "multivalued", "max_length": 2},
                "price": {"kind": "numeric"},
                "user": {"role": "group_key"},
            }
        }
    )
    tokens = ["Oslo", "1", "1.0", "-0", "0", "true", "TRUE", "none", "-1", "-1.0", "", None, "u.0"]
    rng = np.random.default_rng(3)
    rows = [
        {
            "city": tokens[rng.integers(len(tokens))],
            "genres": ["a", "1.0"],
            "price": "1.5",
            "user": ["u1", "u2", "7.0", "7", ""][rng.integers(5)],
        }
        for _ in range(300)
    ]
    for block in (batch(*rows), batch(*rows).slice(40, 111), batch(*rows).slice(0, 0)):
        plain, coded = coerce(block, features), coerce(block, features, coded=True)
        assert coded.rows.to_pylist() == plain.rows.to_pylist()
        assert coded.indices.tolist() == plain.indices.tolist()
        assert coded.reasons == plain.reasons
        for name in ("city", "user"):
            dictionary = coded.rows.column(name).dictionary.to_pylist()
            assert len(set(dictionary)) == len(dictionary)
            assert None not in dictionary
            assert "" not in dictionary
        assert coded.rows.column("genres").type == pa.list_(pa.string())


def test_dictionaries_that_are_given_are_typed_like_text():
    rows = batch(*[GOOD | {"city": city} for city in ("Oslo", "1.0", "", "Oslo")])
    given = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column
        for column in rows.columns
    ]
    dictionaries = pa.RecordBatch.from_arrays(given, names=rows.schema.names)
    for coded in (False, True):
        typed = coerce(dictionaries, FEATURES, coded=coded)
        assert typed.rows.equals(coerce(rows, FEATURES, coded=coded).rows)
        assert not typed.reasons


def test_a_block_without_rows_is_typed():
    typed, good, reasons = coerce(batch(GOOD).slice(0, 0), FEATURES)
    assert typed.schema == FEATURES.raw_schema()
    assert (typed.num_rows, len(good), reasons) == (0, 0, {})


def test_other_columns_are_ignored_and_roles_choose():
    inputs = {name: GOOD[name] for name in ("city", "price", "seen", "genres", "vector")}
    typed, _, _ = coerce(batch({**inputs, "clicked": "never read"}), FEATURES, roles=("input",))
    assert typed.schema == FEATURES.raw_schema(["input"])


def test_a_missing_column_is_answered_with_the_nearest_one():
    row = {("prize" if name == "price" else name): value for name, value in GOOD.items()}
    with pytest.raises(DataError, match=r"'price' of feature 'price' .* Did you mean prize\?"):
        coerce(batch(row), FEATURES)


@pytest.mark.parametrize(
    ("cities", "genres", "reason"),
    [
        (["Oslo", "Lima"], ["war", None], None),
        (["Oslo", "Lima"], [], None),  # missing
        (None, ["war"], None),
        (["Oslo", "Lima"], ["war"], "clicked_city has 2, clicked_genre has 1"),
        ([None], ["war", "drama", "war"], "clicked_city has 1, clicked_genre has 3"),
    ],
)
def test_sequences_of_a_history_have_one_length(features, raw_batch, cities, genres, reason):
    row = {**raw_batch.to_pylist()[0], "clicked_city": cities, "clicked_genre": genres}
    received = pa.RecordBatch.from_pylist([row], schema=raw_batch.schema)
    typed, _, reasons = coerce(received, features)
    assert typed.num_rows == (reason is None)
    if reason is not None:
        expected = f"sequences of history 'clicks' must have one length, and {reason}"
        assert reasons == {0: expected}


def test_sequences_of_a_history_may_be_absent(features, raw_batch):
    absent = ["clicked_city", "clicked_genre"]
    typed, good, reasons = coerce(raw_batch.drop_columns(absent), features)
    assert (len(good), reasons) == (raw_batch.num_rows, {})
    assert set(typed.schema.names) == set(raw_batch.schema.names) - set(absent)
    assert coerce(raw_batch, features)[0].equals(raw_batch)


def test_truth_is_the_token_that_files_have_for_it():
    spec = {"token": {"kind": "categorical"}, "label": {"role": "label"}}
    features = FeatureSet.model_validate({"features": spec})
    block = pa.RecordBatch.from_pydict({"token": [True, False, None], "label": [1, 0, 1]})
    typed, _, reasons = coerce(block, features)
    assert typed.column("token").to_pylist() == ["1", "0", None]
    assert not reasons


WEIGHTED = FeatureSet.model_validate(
    {
        "features": {
            "tags": {
                "kind": "multivalued",
                "separator": "|",
                "drop_weights": ":",
                "max_length": 9,
            }
        }
    }
)


@pytest.mark.parametrize(
    "tags",
    ["t1:0.53|t2:-2e-1|a:b|c|12.0:.5|:1", ["t1:0.53", "t2:-2e-1", "a:b", "c", "12.0:.5", ":1"]],
)
def test_weights_are_dropped_where_the_setting_says_so(tags):
    typed = coerce(batch({"tags": tags}), WEIGHTED).rows
    assert typed["tags"].to_pylist() == [["t1", "t2", "a:b", "c", "12", ""]]


def test_what_was_cut_once_stays_as_it_is():
    once = coerce(batch({"tags": "x:1:0.5|y:0.5"}), WEIGHTED).rows
    assert once["tags"].to_pylist() == [["x", "y"]]
    assert coerce(once, WEIGHTED).rows == once


def test_without_the_setting_a_weight_is_part_of_its_token_and_nothing_is_written_of_it():
    plain = FEATURES.features["genres"]
    assert "drop_weights" not in plain.model_dump()
    assert WEIGHTED.features["tags"].model_dump()["drop_weights"] == ":"
    typed = coerce(batch({**GOOD, "genres": "t1:0.5"}), FEATURES).rows
    assert typed["genres"].to_pylist() == [["t1:0.5"]]


@pytest.mark.parametrize("null_values", [[], ["NULL", "-1"], ["-1.0", "True"]])
@pytest.mark.parametrize("cut", [slice(0, 11), slice(3, 5), slice(4, 4)])
def test_coded_tokens_are_the_same_tokens(null_values, cut):
    texts = ["a", "", None, "NULL", "-1", "-1.0", "12.0", "12", "True", "1", "a"]
    spec = {"kind": "categorical", "null_values": null_values}
    features = FeatureSet.model_validate({"features": {"x": spec, "y": {"kind": "numeric"}}})
    numbers = [str(place) for place in range(len(texts))]
    block = pa.RecordBatch.from_pydict({"x": pa.array(texts), "y": pa.array(numbers)})
    block = block.slice(cut.start, cut.stop - cut.start)
    plain, coded = coerce(block, features).rows, coerce(block, features, coded=True).rows
    assert pa.types.is_dictionary(coded.column("x").type)
    assert coded.to_pylist() == plain.to_pylist()
    assert coded.column("x").null_count == plain.column("x").null_count
    assert not coded.column("x").dictionary.null_count


def test_rows_that_do_not_fit_are_left_out_of_coded_ones_too():
    features = FeatureSet.model_validate(
        {"features": {"x": {"kind": "categorical"}, "y": {"kind": "numeric"}}}
    )
    block = pa.RecordBatch.from_pydict({"x": ["a", "b", "c"], "y": ["1", "free", "3"]})
    typed = coerce(block, features, coded=True)
    assert typed.rows.to_pylist() == [{"x": "a", "y": 1.0}, {"x": "c", "y": 3.0}]
    assert typed.reasons == coerce(block, features).reasons
