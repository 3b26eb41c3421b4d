"""Blocks of raw rows with their tokens in dictionaries: smaller, and each is looked up once."""

import pyarrow as pa
import pyarrow.compute as pc


def with_dictionaries(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, strings and lists of strings as places in a dictionary of their column.

    Dictionaries hold what the rows need and nothing else, also where the rows were cut from
    others. Columns of dictionaries are left as they are.
    """
    columns = [_encoded(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _encoded(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    if not pa.types.is_list(column.type) or not pa.types.is_string(column.type.value_type):
        return column
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(offsets, column.flatten().dictionary_encode(), mask=mask)
