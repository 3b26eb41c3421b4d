"""The records of a bundle: columns of a block of rows, or single rows, as tf.train.Examples.

A block holds each column as little-endian bytes, so that reading is a copy and not a parse; a
ragged column is stored without its padding, with the rows' lengths beside it. See
`docs/bundle.md` for the layout of both.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from features.columns import Column

ROWS = "/rows"  # no feature can have this name: the slash keeps it apart


def encode_block(arrays: Mapping[str, np.ndarray], columns: Sequence[Column]) -> bytes:
    """Serializes a block of rows as one tf.train.Example.

    Args:
        arrays: Column name -> array of shape (rows,), (rows, length) or (rows, dimension).
            Ids of lists are right padded with 0.
        columns: What to store.
    """
    example = tf.train.Example()
    feature = example.features.feature
    rows = len(arrays[columns[0].name])
    feature[ROWS].int64_list.value.append(rows)
    for column in columns:
        array = arrays[column.name]
        if column.length is not None:
            lengths = np.count_nonzero(array, axis=1)
            feature[f"{column.name}/row_lengths"].bytes_list.value.append(
                lengths.astype("<i4").tobytes()
            )
            array = array[np.arange(array.shape[1]) < lengths[:, np.newaxis]]
        feature[column.name].bytes_list.value.append(array.astype(column.little_endian).tobytes())
    record: bytes = example.SerializeToString(deterministic=True)
    return record


def decode_block(record: tf.Tensor, columns: Sequence[Column]) -> dict[str, tf.Tensor]:
    """Parses what `encode_block` wrote; a TensorFlow function for input pipelines.

    Args:
        record: Scalar string.
        columns: What to read; others are skipped.

    Returns:
        Column name -> tensor of shape (rows,), (rows, length) or (rows, dimension).
    """
    keys = {column.name: tf.io.FixedLenFeature([], tf.string) for column in columns}
    keys |= {
        f"{column.name}/row_lengths": tf.io.FixedLenFeature([], tf.string)
        for column in columns
        if column.length is not None
    }
    parsed = tf.io.parse_single_example(record, keys)
    decoded = {}
    for column in columns:
        values = tf.io.decode_raw(parsed[column.name], tf.as_dtype(column.dtype))
        if column.length is not None:
            lengths = tf.io.decode_raw(parsed[f"{column.name}/row_lengths"], tf.int32)
            ragged = tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)
            values = ragged.to_tensor(0, shape=(None, column.length))
        elif column.dimension is not None:
            values = tf.reshape(values, (-1, column.dimension))
        decoded[column.name] = values
    return decoded


def count_rows(record: tf.Tensor) -> tf.Tensor:
    """The number of rows of what `encode_block` wrote, int64, without decoding a column."""
    return tf.io.parse_single_example(record, {ROWS: tf.io.FixedLenFeature([], tf.int64)})[ROWS]


def encode_rows(arrays: Mapping[str, np.ndarray], columns: Sequence[Column]) -> list[bytes]:
    """Serializes each row as a tf.train.Example of its own, with unpadded int64 and float lists."""
    rows = len(arrays[columns[0].name])
    records = []
    for row in range(rows):
        example = tf.train.Example()
        for column in columns:
            value = np.atleast_1d(arrays[column.name][row])
            if column.length is not None:
                value = value[: np.count_nonzero(value)]
            feature = example.features.feature[column.name]
            if column.dtype == "float32":
                feature.float_list.value.extend(value.tolist())
            else:
                feature.int64_list.value.extend(value.tolist())
        records.append(example.SerializeToString(deterministic=True))
    return records


def decode_rows(records: tf.Tensor, columns: Sequence[Column]) -> dict[str, tf.Tensor]:
    """Parses a batch of what `encode_rows` wrote, to the same tensors as `decode_block`."""
    keys: dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature] = {}
    for column in columns:
        stored = tf.float32 if column.dtype == "float32" else tf.int64
        if column.length is not None:
            keys[column.name] = tf.io.RaggedFeature(stored)
        else:
            shape = [] if column.dimension is None else [column.dimension]
            keys[column.name] = tf.io.FixedLenFeature(shape, stored)
    parsed = tf.io.parse_example(records, keys)
    decoded = {}
    for column in columns:
        values = parsed[column.name]
        if column.length is not None:
            values = values.to_tensor(0, shape=(None, column.length))
        decoded[column.name] = tf.cast(values, column.dtype)
    return decoded
