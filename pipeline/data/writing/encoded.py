"""Preprocessed rows between the stages of the job: Arrow batches without padding."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.columns import Column


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of preprocessed rows."""
    return pa.schema([(column.name, _type_of(column)) for column in columns])


def _type_of(column: Column) -> pa.DataType:
    element = pa.from_numpy_dtype(np.dtype(column.dtype))
    if column.length is not None:
        return pa.list_(element)
    return element if column.dimension is None else pa.list_(element, column.dimension)


def to_batch(arrays: Mapping[str, np.ndarray], columns: Sequence[Column]) -> pa.RecordBatch:
    """Packs the arrays that preprocessing delivers; ids that are right padded lose the padding.

    Args:
        arrays: Column name -> array of shape (rows,), (rows, length) or (rows, dimension).
        columns: What to pack.
    """
    return pa.RecordBatch.from_arrays(
        [_pack(np.ascontiguousarray(arrays[column.name]), column) for column in columns],
        schema=schema_of(columns),
    )


def _pack(array: np.ndarray, column: Column) -> pa.Array:
    if column.length is not None:
        lengths = np.count_nonzero(array, axis=1)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        values = array[np.arange(array.shape[1]) < lengths[:, np.newaxis]]
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
    if column.dimension is not None:
        return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), column.dimension)
    return pa.array(array)


def to_arrays(batch: pa.RecordBatch, columns: Sequence[Column]) -> dict[str, np.ndarray]:
    """The inverse of `to_batch`, padding included."""
    return {column.name: _unpack(batch.column(column.name), column) for column in columns}


def _unpack(array: pa.Array, column: Column) -> np.ndarray:
    if column.length is not None:
        lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
        padded = np.zeros((len(array), column.length), column.dtype)
        padded[np.arange(column.length) < lengths[:, np.newaxis]] = array.flatten().to_numpy()
        return padded
    if column.dimension is not None:
        return array.flatten().to_numpy().reshape(len(array), column.dimension)
    return array.to_numpy()
