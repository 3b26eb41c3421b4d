"""Columns side by side in one matrix, and taken apart again."""

import numpy as np
import pytest
import tensorflow as tf

from features.columns import Column
from pipeline.batches.row_matrix import MATRIX, pack, unpack

COLUMNS = (
    Column(name="vector", dtype="float32", dimension=2),
    Column(name="id", dtype="int32"),
    Column(name="price", dtype="float32"),
    Column(name="tags", dtype="int32", length=3),
    Column(name="label", dtype="float32"),
)


def arrays(rows):
    rng = np.random.default_rng(7)
    return {
        "vector": rng.normal(size=(rows, 2)).astype("float32"),
        "id": rng.integers(0, 2**31 - 1, rows).astype("int32"),
        "price": rng.normal(size=rows).astype("float32"),
        "tags": rng.integers(0, 9, (rows, 3)).astype("int32"),
        "label": rng.integers(0, 2, rows).astype("float32"),
    }


@pytest.mark.parametrize("rows", [0, 1, 257])
@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[1:2], COLUMNS[3:4]])
def test_unpacking_gives_what_was_packed(rows, columns):
    expected = {column.name: arrays(rows)[column.name] for column in columns}
    received = unpack(pack({n: tf.constant(a) for n, a in expected.items()}, columns), columns)
    assert list(received) == list(expected)
    for name, tensor in received.items():
        assert tensor.dtype.name == expected[name].dtype.name
        np.testing.assert_array_equal(tensor, expected[name])


def test_a_row_of_the_matrix_is_a_row():
    """Permuted where it is packed, every column is permuted alike."""
    expected, order = arrays(50), np.random.default_rng(1).permutation(50)
    packed = pack({name: tf.constant(a) for name, a in expected.items()}, COLUMNS)
    assert packed[MATRIX].shape == (50, 3)
    permuted = {name: tf.gather(tensor, order) for name, tensor in packed.items()}
    for name, tensor in unpack(permuted, COLUMNS).items():
        np.testing.assert_array_equal(tensor, expected[name][order])


def test_every_bit_of_a_number_survives():
    bits = np.array([0x7FC00001, 0x7F800001, -0x80000000, 1], "int32")  # nans, -0, a subnormal
    columns = COLUMNS[2:3]
    received = unpack(pack({"price": tf.constant(bits.view("float32"))}, columns), columns)
    np.testing.assert_array_equal(received["price"].numpy().view("int32"), bits)
