import numpy as np
import pytest
import tensorflow as tf

from features.columns import Column, columns_of
from features.records import ROWS, count_rows, decode_block, decode_rows, encode_block, encode_rows

COLUMNS = (
    Column(name="id", dtype="int32"),
    Column(name="tags", dtype="int32", length=5),
    Column(name="user", dtype="int64"),
    Column(name="price", dtype="float32"),
    Column(name="vector", dtype="float32", dimension=3),
    Column(name="one", dtype="float32", dimension=1),
)


def random_arrays(rows, seed=7):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 6, rows)
    tags = rng.integers(1, 2**31 - 1, (rows, 5)) * (np.arange(5) < lengths[:, np.newaxis])
    return {
        "id": rng.integers(0, 2**31 - 1, rows).astype("int32"),
        "tags": tags.astype("int32"),
        "user": rng.integers(-(2**63), 2**63 - 1, rows),
        "price": rng.normal(size=rows).astype("float32"),
        "vector": rng.normal(size=(rows, 3)).astype("float32"),
        "one": rng.normal(size=(rows, 1)).astype("float32"),
    }


def from_block(arrays, columns=COLUMNS):
    return decode_block(tf.constant(encode_block(arrays, COLUMNS)), columns)


def from_rows(arrays, columns=COLUMNS):
    return decode_rows(tf.constant(encode_rows(arrays, COLUMNS), tf.string), columns)


@pytest.mark.parametrize("decoded", [from_block, from_rows])
@pytest.mark.parametrize("rows", [0, 1, 257])
def test_what_is_read_is_what_was_written(decoded, rows):
    arrays = random_arrays(rows)
    received = decoded(arrays)
    assert list(received) == [column.name for column in COLUMNS]
    for name, tensor in received.items():
        assert tensor.dtype.name == arrays[name].dtype.name
        assert tensor.shape == arrays[name].shape
        np.testing.assert_array_equal(tensor, arrays[name], err_msg=name)


@pytest.mark.parametrize("decoded", [from_block, from_rows])
def test_lists_may_all_be_empty_or_all_full(decoded):
    for tags in (np.zeros((3, 5), "int32"), np.full((3, 5), 9, "int32")):
        received = decoded({**random_arrays(3), "tags": tags})
        np.testing.assert_array_equal(received["tags"], tags)


@pytest.mark.parametrize("decoded", [from_block, from_rows])
def test_some_columns_can_be_read_without_the_others(decoded):
    arrays = random_arrays(9)
    received = decoded(arrays, [COLUMNS[4], COLUMNS[1]])
    assert list(received) == ["vector", "tags"]
    np.testing.assert_array_equal(received["tags"], arrays["tags"])


@pytest.mark.parametrize("decoded", [from_block, from_rows])
def test_numbers_that_are_not_finite_survive(decoded):
    price = np.array([np.nan, np.inf, -np.inf, -0.0], "float32")
    received = decoded({**random_arrays(4), "price": price})["price"].numpy()
    np.testing.assert_array_equal(received.view("int32"), price.view("int32"))


def test_a_pipeline_knows_the_widths_without_reading():
    records = tf.data.Dataset.from_tensors(encode_block(random_arrays(4), COLUMNS))
    spec = records.map(lambda record: decode_block(record, COLUMNS)).element_spec
    assert spec["tags"].shape.as_list() == [None, 5]
    assert spec["vector"].shape.as_list() == [None, 3]
    assert spec["user"] == tf.TensorSpec([None], tf.int64)


def test_a_block_holds_little_endian_bytes_without_padding():
    arrays = {**random_arrays(2), "id": np.array([1, 256], ">i4")}
    arrays["tags"] = np.array([[7, 0, 0, 0, 0], [8, 9, 0, 0, 0]], "int32")
    feature = tf.train.Example.FromString(encode_block(arrays, COLUMNS)).features.feature
    assert feature[ROWS].int64_list.value == [2]
    assert feature["id"].bytes_list.value == [b"\1\0\0\0\0\1\0\0"]
    assert feature["tags"].bytes_list.value == [b"\7\0\0\0\x08\0\0\0\x09\0\0\0"]
    assert feature["tags/row_lengths"].bytes_list.value == [b"\1\0\0\0\2\0\0\0"]


def test_a_row_holds_plain_lists_without_padding():
    arrays = random_arrays(2)
    arrays["tags"] = np.array([[7, 0, 0, 0, 0], [8, 9, 0, 0, 0]], "int32")
    feature = tf.train.Example.FromString(encode_rows(arrays, COLUMNS)[1]).features.feature
    assert feature["tags"].int64_list.value == [8, 9]
    assert feature["user"].int64_list.value == [arrays["user"][1]]
    assert feature["vector"].float_list.value == arrays["vector"][1].tolist()
    assert ROWS not in feature


def test_equal_rows_give_equal_bytes():
    arrays = random_arrays(50)
    backwards = dict(reversed(arrays.items()))
    assert encode_block(arrays, COLUMNS) == encode_block(backwards, COLUMNS)
    assert encode_rows(arrays, COLUMNS) == encode_rows(backwards, COLUMNS)


def test_columns_follow_kind_role_and_transform(features):
    columns = {column.name: column for column in columns_of(features)}
    assert columns["city"] == Column(name="city", dtype="int32")
    assert columns["price"] == Column(name="price", dtype="float32")
    assert columns["magnitude"] == Column(name="magnitude", dtype="int32")
    assert columns["hour"] == Column(name="hour", dtype="int32")
    assert columns["genres"] == Column(name="genres", dtype="int32", length=3)
    assert columns["clicked_city"] == Column(name="clicked_city", dtype="int32", length=4)
    assert columns["vector"] == Column(name="vector", dtype="float32", dimension=2)
    assert columns["clicked"] == Column(name="clicked", dtype="float32")
    assert columns["weight"] == Column(name="weight", dtype="float32")
    assert columns["user"] == Column(name="user", dtype="int64")
    assert columns["time"] == Column(name="time", dtype="int64")


@pytest.mark.parametrize("rows", [0, 1, 257])
def test_rows_are_counted_without_a_column(rows):
    assert count_rows(tf.constant(encode_block(random_arrays(rows), COLUMNS))) == rows
