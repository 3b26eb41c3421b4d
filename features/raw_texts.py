"""The rule of `features.raw_values` for whole Arrow columns."""

import uuid
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.raw_values import (
    FALSE,
    LARGEST_WHOLE,
    MINUS_ZERO,
    TRUE,
    WHOLE_WITH_POINT,
    null_tokens,
    text_of,
    text_of_decimal,
    weights_behind,
)

_LIST_TYPES = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_BINARY_TYPES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_ZERO, _ONE = f"^(?:{MINUS_ZERO}|{FALSE})$", f"^{TRUE}$"
_OTHER_WRITING = f"^(?:{WHOLE_WITH_POINT}|{MINUS_ZERO}|{TRUE}|{FALSE})$"
# One of these parts is in each such text; a single byte of it is searched fastest.
_IN_OTHER_WRITING = {
    b".": b".0",
    b"-": b"-0",
    b"u": b"rue",
    b"U": b"RUE",
    b"l": b"alse",
    b"L": b"ALSE",
}
# Arrow writes doubles outside of these limits otherwise than Python, and thus than CSV and JSON.
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-4, 1e10


class NotTextError(ValueError):
    """Bytes that are no UTF-8 text."""


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists, of any length or of one."""
    return any(is_kind(kind) for is_kind in _LIST_TYPES)


def has_text(kind: pa.DataType) -> bool:
    """Whether a column holds a value a row, or a list of them: no structs, maps, lists of lists."""
    return not pa.types.is_nested(kind.value_type if is_list(kind) else kind)


def texts(column: pa.Array) -> pa.Array:
    """The texts of a column's values, or lists of them, as `text_of` has each one.

    Args:
        column: Values of a type that has a text, see `has_text`.

    Returns:
        A string array, or an array of lists of strings; null where a value is missing.

    Raises:
        NotTextError: The column holds bytes that are no UTF-8 text.
    """
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if is_list(kind):
        return _map_lists(column)
    if pa.types.is_dictionary(kind):
        return texts(column.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        return _uuid_texts(column) if kind == pa.uuid() else texts(column.storage)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("ms", kind.tz), safe=False).cast(pa.int64())
    elif pa.types.is_date64(kind):
        column = column.cast(pa.date32())
    elif pa.types.is_floating(kind):
        return _float_texts(column)
    elif pa.types.is_decimal(kind):
        return _decimal_texts(column)
    elif any(is_kind(kind) for is_kind in _BINARY_TYPES):
        return _binary_texts(column)
    return column.cast(pa.string())


def tokens(column: pa.Array) -> pa.Array:
    """The tokens of texts, or of lists of texts, as `token_of` has each one."""
    if is_list(column.type):
        values = column.flatten()
        changed = tokens(values)
        return column if changed is values else _with_values(column, changed)
    if not _may_be_written_otherwise(column):
        return column
    coded = column.dictionary_encode()  # each distinct text is looked at once
    changed = _tokens(coded.dictionary)
    return column if changed is coded.dictionary else changed.take(coded.indices)


def _may_be_written_otherwise(column: pa.Array) -> bool:
    """False where no text can match `_OTHER_WRITING`: bytes are searched faster than patterns."""
    _, _, data = column.buffers()
    if data is None:
        return False
    text = data.to_pybytes()
    return any(byte in text and part in text for byte, part in _IN_OTHER_WRITING.items())


def known_tokens(column: pa.Array, null_values: Sequence[str]) -> pa.Array:
    """The tokens of texts; null where one is empty, or means "missing" as these texts do."""
    return without(tokens(column), ("", *null_tokens(null_values)))


def with_tokens(column: pa.Array, changed: pa.Array) -> pa.Array:
    """A dictionary column with other tokens, none of them twice and none of them null.

    Args:
        column: Places in a dictionary.
        changed: What each place of the dictionary becomes.
    """
    if changed is column.dictionary:
        return column
    return changed.take(column.indices).dictionary_encode()


def without(column: pa.Array, values: Sequence[str | float | int]) -> pa.Array:
    """The column, null where one of these values stands."""
    if not values:
        return column
    found = pc.is_in(column, pa.array(values, column.type))
    if not pc.any(found).as_py():
        return column
    return pc.if_else(found, pa.scalar(None, column.type), column)


def without_weights(column: pa.Array, separator: str) -> pa.Array:
    """Lists of texts without the weights behind their tokens: `t1` for `t1:0.53`."""
    pattern = weights_behind(separator)
    return _with_values(column, pc.replace_substring_regex(column.flatten(), pattern, ""))


def _tokens(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(texts, _OTHER_WRITING)).as_py():
        return texts
    texts = pc.replace_substring_regex(texts, f"^{WHOLE_WITH_POINT}$", r"\1")
    texts = pc.replace_substring_regex(texts, _ZERO, "0")
    return pc.replace_substring_regex(texts, _ONE, "1")


def _map_lists(column: pa.Array) -> pa.Array:
    return _with_values(column, texts(column.flatten()))


def _with_values(column: pa.Array, values: pa.Array) -> pa.Array:
    """Lists of the same lengths, with other values; null where the list is."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    missing = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=missing)


def _float_texts(column: pa.Array) -> pa.Array:
    if pa.types.is_float16(column.type):  # of which Arrow computes little
        column = column.cast(pa.float32())
    missing = pa.scalar(None, column.type)
    column = pc.if_else(pc.is_nan(column), missing, column)
    size = pc.abs(column)
    whole = pc.and_(
        pc.equal(pc.floor(column), column),
        pc.less_equal(size, pa.scalar(float(LARGEST_WHOLE), column.type)),
    )
    zero = pa.scalar(0.0, column.type)
    whole_texts = pc.if_else(whole, column, zero).cast(pa.int64()).cast(pa.string())
    if pc.all(whole).as_py() is not False:
        return whole_texts
    plain = pc.and_(pc.greater_equal(size, _SMALLEST_PLAIN), pc.less(size, _LARGEST_PLAIN))
    others = column.cast(pa.string())
    odd = pc.fill_null(pc.invert(pc.or_(whole, plain)), False)
    if pc.any(odd).as_py():
        numbers = column.filter(odd).to_numpy(zero_copy_only=False)
        written = pa.array([text_of(number) for number in numbers], pa.string())
        others = pc.replace_with_mask(others, odd, written)
    return pc.if_else(whole, whole_texts, others)


def _decimal_texts(column: pa.Array) -> pa.Array:
    small = pc.less(pc.abs(column.cast(pa.float64())), _SMALLEST_PLAIN)
    if pc.any(small).as_py() or column.type.scale < 0:
        values = column.to_pylist()
        written = [None if value is None else text_of_decimal(value) for value in values]
        return pa.array(written, pa.string())
    text = column.cast(pa.string())
    if column.type.scale == 0:
        return text
    text = pc.replace_substring_regex(text, r"^(.*\..*?)0+$", r"\1")
    return pc.replace_substring_regex(text, r"\.$", "")


def _binary_texts(column: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        raise NotTextError("it holds bytes that are not UTF-8 text") from None


def _uuid_texts(column: pa.Array) -> pa.Array:
    values = column.storage.to_pylist()
    written = [None if value is None else str(uuid.UUID(bytes=value)) for value in values]
    return pa.array(written, pa.string())
