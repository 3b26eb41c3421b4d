"""Blocks of raw rows with their tokens in dictionaries: smaller, and each is looked up once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def with_dictionaries(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, strings and lists of strings as places in a dictionary of their column.

    Dictionaries hold what the rows need and nothing else, also where the rows were cut from
    others.
    """
    columns = [_encoded(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _encoded(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return _needed(column)
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    if not pa.types.is_list(column.type) or not pa.types.is_string(column.type.value_type):
        return column
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, column.flatten().dictionary_encode(), mask=mask)


def _needed(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same column without what no row has in its dictionary."""
    used = np.zeros(len(column.dictionary), bool)
    used[column.indices.drop_null()] = True
    if used.all():
        return column
    places = pa.array(np.cumsum(used, dtype=np.int32) - 1)
    tokens = column.dictionary.take(pa.array(np.flatnonzero(used)))
    return pa.DictionaryArray.from_arrays(places.take(column.indices), tokens)
