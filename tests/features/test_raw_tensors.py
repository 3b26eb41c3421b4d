import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from features.raw_tensors import (
    MISSING_TIME,
    CodedTokens,
    check_dense_steps,
    coded_tensors,
    dense_specs,
    from_arrow,
    from_parts,
    parse_examples,
    parsing_spec,
    parts_of,
    to_dense,
)
from features.specs import ROLES


def to_example(row, schema) -> bytes:
    """A row as a client would send it: what is missing is left out."""
    example = tf.train.Example()
    for field in schema:
        value = row[field.name]
        if value is None:
            continue
        feature = example.features.feature[field.name]
        values = value if isinstance(value, list) else [value]
        if pa.types.is_int64(field.type):
            feature.int64_list.value.extend(values)
        elif field.type in (pa.float64(), pa.list_(pa.float32())):
            feature.float_list.value.extend(values)
        else:
            feature.bytes_list.value.extend((each or "").encode() for each in values)
    return example.SerializeToString()


@pytest.fixture(scope="module")
def raw(raw_batch, features):
    return from_arrow(raw_batch, features)


def assert_equal(received, expected):
    assert received.keys() == expected.keys()
    for name, tensor in received.items():
        assert tensor.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_values_arrive_as_they_are_and_missing_ones_as_documented(raw, rows):
    for name, tensor in raw.items():
        ragged = isinstance(tensor, tf.RaggedTensor)
        received = tensor.to_list() if ragged else tensor.numpy().tolist()
        values = [row[name] for row in rows]
        if name == "price":
            expected = [
                float("nan") if each is None else float(np.float32(each)) for each in values
            ]
        elif name == "seen":
            expected = [MISSING_TIME if each is None else each for each in values]
        elif name == "vector":
            expected = [np.float32(each or [0, 0]).tolist() for each in values]
        elif ragged:
            expected = [[(token or "").encode() for token in each or []] for each in values]
        else:
            expected = [(each or "").encode() for each in values]
        np.testing.assert_equal(received, expected, err_msg=name)


def test_serialized_examples_give_the_same_tensors(raw, rows, raw_batch, features):
    inputs = features.raw_schema(["input"])
    records = [to_example(row, inputs) for row in rows]
    parsed = tf.io.parse_example(tf.constant(records), parsing_spec(features))
    assert_equal(to_dense(parsed), to_dense(raw))


def test_no_example_at_all_can_be_parsed(features):
    parsed = tf.io.parse_example(tf.zeros([0], tf.string), parsing_spec(features))
    assert all(tensor.shape[0] == 0 for tensor in to_dense(parsed).values())


def test_dense_tensors_fit_the_dense_specs(raw, features):
    specs = dense_specs(features)
    dense = to_dense(raw)
    assert specs.keys() == dense.keys() == set(features.raw_schema(["input"]).names)
    for name, spec in specs.items():
        assert spec.is_compatible_with(dense[name]), name
        assert spec.name == name


def test_coded_tokens_written_out_are_the_dense_tensors(raw, raw_batch, features):
    coded = coded_tensors(raw_batch, features)
    assert any(isinstance(tensor, CodedTokens) for tensor in coded.values())
    assert_equal(to_dense(coded), to_dense(raw))
    few = raw_batch.slice(100, 7)
    assert_equal(to_dense(coded_tensors(few, features)), to_dense(from_arrow(few, features)))
    none = raw_batch.slice(0, 0)
    assert_equal(to_dense(coded_tensors(none, features)), to_dense(from_arrow(none, features)))


def test_parts_of_raw_values_make_them_again(raw_batch, features):
    coded = coded_tensors(raw_batch, features)
    again = from_parts(coded_tensors(raw_batch.slice(0, 0), features), parts_of(coded))
    assert_equal(to_dense(again), to_dense(coded))


def test_roles_choose_the_columns(raw_batch, features):
    everything = from_arrow(raw_batch, features, ROLES)
    assert set(everything) == set(features.raw_schema().names)
    assert set(from_arrow(raw_batch, features, ["label", "weight"])) == {"rating", "weight"}


def test_a_slice_gives_the_rows_of_the_slice(raw, raw_batch, features):
    part = from_arrow(raw_batch.slice(100, 7), features)
    assert_equal(to_dense(part), to_dense({name: each[100:107] for name, each in raw.items()}))


def test_a_batch_without_rows_keeps_types_and_ranks(raw, raw_batch, features):
    empty = from_arrow(raw_batch.slice(0, 0), features)
    for name, tensor in empty.items():
        assert (tensor.dtype, tensor.shape.rank) == (raw[name].dtype, raw[name].shape.rank)
        assert tensor.shape[0] == 0
    assert empty["vector"].shape == (0, 2)


def test_an_empty_list_of_an_example_is_a_missing_value(features):
    empty = tf.train.Example()
    for name, parsed in parsing_spec(features).items():
        feature = empty.features.feature[name]
        kinds = {tf.string: "bytes_list", tf.int64: "int64_list", tf.float32: "float_list"}
        getattr(feature, kinds[parsed.dtype]).value.extend([])
        assert getattr(feature, kinds[parsed.dtype]).SetInParent() is None
    examples = [empty.SerializeToString(), tf.train.Example().SerializeToString()]
    for batch in ([examples[0]], examples):
        received = parse_examples(tf.constant(batch), features)
        expected = tf.io.parse_example([examples[1]] * len(batch), parsing_spec(features))
        assert received.keys() == expected.keys()
        for name, tensor in to_dense(expected).items():
            np.testing.assert_array_equal(to_dense(received)[name], tensor, err_msg=name)


def test_several_values_of_one_number_are_refused(features):
    name = next(
        name
        for name, parsed in parsing_spec(features).items()
        if isinstance(parsed, tf.io.FixedLenFeature)
        and parsed.dtype == tf.float32
        and not parsed.shape
    )
    example = tf.train.Example()
    example.features.feature[name].float_list.value.extend([1.0, 2.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}' has several values"):
        parse_examples(tf.constant([example.SerializeToString()]), features)


@pytest.mark.parametrize(
    ("genres", "refused"), [([], False), ([b"war"] * 2, False), ([b"a"], True)]
)
def test_sequences_of_a_history_that_differ_in_length_are_refused(features, genres, refused):
    example = tf.train.Example()
    example.features.feature["clicked_city"].bytes_list.value.extend([b"Oslo", b"Lima"])
    example.features.feature["clicked_genre"].bytes_list.value.extend(genres)
    parse = tf.function(lambda examples: parse_examples(examples, features)["clicked_city"])
    serialized = tf.constant([example.SerializeToString()])
    if refused:
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have one length"):
            parse(serialized)
    else:
        assert parse(serialized).to_list() == [[b"Oslo", b"Lima"]]


@pytest.mark.parametrize(
    ("cities", "genres", "refused"),
    [
        ([["Oslo", "Lima"]], [["war", "love"]], False),
        ([["Oslo", "Lima"]], [["war"]], True),
        ([["Oslo"]], [["war", "love"]], True),
        ([["Oslo", "Lima"]], [["war", ""]], False),  # a step without a value
        ([["Oslo", "Lima"]], [["", "love", ""]], False),  # padded, each by itself
        ([["Oslo", "Lima"]], [[""]], False),  # missing
        ([["Oslo", "Lima"]], [[]], False),
        ([[]], [[]], False),
        ([["Oslo", "Lima"], ["Rome", ""]], [["war", "love", ""], ["", "", ""]], False),
        ([["Oslo", "Lima"], ["Rome", ""]], [["war", "love", ""], ["a", "b", ""]], True),
        (np.empty((0, 2)), np.empty((0, 3)), False),
    ],
)
def test_dense_sequences_of_a_history_that_differ_in_length_are_refused(
    features, cities, genres, refused
):
    raw = {"clicked_city": cities, "clicked_genre": genres}
    raw = {name: tf.constant(np.asarray(tokens, str)) for name, tokens in raw.items()}
    check = tf.function(lambda: check_dense_steps(raw, features))
    if refused:
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have one length"):
            check()
    else:
        check()
