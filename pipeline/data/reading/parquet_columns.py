"""Parquet files: which row groups are read together, and Arrow columns of any type as text."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def row_counts(metadata: pq.FileMetaData) -> list[int]:
    """Rows of each row group."""
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def groups_of(sizes: Sequence[int], at_least: int) -> list[tuple[int, int]]:
    """Puts neighbours together until they reach a size; what is large enough stays alone.

    Args:
        sizes: Rows, or bytes, of each.
        at_least: Size of a group; the last one may be smaller.

    Returns:
        First of each group, and the first behind it.
    """
    groups, first, together = [], 0, 0
    for index, size in enumerate(sizes):
        together += size
        if together >= at_least:
            groups.append((first, index + 1))
            first, together = index + 1, 0
    if first < len(sizes):
        groups.append((first, len(sizes)))
    return groups


def can_be_text(kind: pa.DataType) -> bool:
    """Whether a column holds a value a row, or a list of them: no structs, maps, lists of lists."""
    return not pa.types.is_nested(kind.value_type if _is_list(kind) else kind)


def as_text(column: pa.Array) -> pa.Array:
    """Text, or lists of text; truth as 1 and 0, instants as milliseconds, nan is missing."""
    kind = column.type
    if _is_list(kind):
        if pa.types.is_boolean(kind.value_type):
            column = column.cast(pa.list_(pa.int8()))
        return column.cast(pa.list_(pa.string()))
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ms", kind.tz), safe=False).cast(pa.int64())
    elif pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    return column.cast(pa.string())


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
