"""Arrow columns of any type as text, or as lists of text: what the readers of rows hand on."""

import pyarrow as pa
import pyarrow.compute as pc


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
