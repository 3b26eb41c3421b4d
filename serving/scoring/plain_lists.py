"""Lists in cells of text, read all at once where they are written as everybody writes them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_QUOTE, _BACKSLASH, _FIRST_PRINTED = ord('"'), ord("\\"), ord(" ")
_SEPARATORS = (", ", ",")


def plain_lists(cells: pa.Array) -> pa.Array | None:
    """What `json.loads` makes of cells that hold JSON lists of texts, or of whole numbers.

    Args:
        cells: Strings, none of them null; an empty one is a missing list.

    Returns:
        Lists of strings, whole numbers as their digits; null where a cell is empty. None where a
        cell is written in another way, such as with escapes: read the cells one by one.
    """
    missing, empty = pc.equal(cells, ""), pc.equal(cells, "[]")
    given = cells.filter(pc.invert(pc.or_(missing, empty)))
    elements = _texts(given) if _all_begin(given, '["') else _whole_numbers(given)
    if elements is None:
        return None
    lengths = np.zeros(len(cells), np.int64)
    is_given = ~np.asarray(pc.or_(missing, empty))
    lengths[is_given] = pc.list_value_length(elements)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements.flatten(), mask=missing)


def _texts(cells: pa.Array) -> pa.Array | None:
    """The elements of lists such as `["a", "b"]`."""
    if not _all_begin(cells, '["') or not _all_end(cells, '"]'):
        return None
    if pc.any(pc.less(pc.binary_length(cells), 4)).as_py():  # ["] begins and ends with the same
        return None
    inside = _without(cells, 2)
    if not _is_unescaped(inside):
        return None
    for separator in _SEPARATORS:
        lists = pc.split_pattern(inside, f'"{separator}"')
        if not _holds(lists.flatten(), _QUOTE):  # or it would be another element's beginning
            return lists
    return None


def _whole_numbers(cells: pa.Array) -> pa.Array | None:
    """The elements of lists such as `[1, 2]`, which have the same digits as in the cell."""
    if not _all_begin(cells, "[") or not _all_end(cells, "]"):
        return None
    inside = _without(cells, 1)
    for separator in _SEPARATORS:
        lists = pc.split_pattern(inside, separator)
        digits = lists.flatten()
        try:
            if pc.all(pc.equal(digits.cast(pa.int64()).cast(pa.string()), digits)).as_py():
                return lists
        except pa.ArrowInvalid:
            continue
    return None


def _all_begin(cells: pa.Array, text: str) -> bool:
    return pc.all(pc.starts_with(cells, text)).as_py() is not False


def _all_end(cells: pa.Array, text: str) -> bool:
    return pc.all(pc.ends_with(cells, text)).as_py() is not False


def _without(cells: pa.Array, count: int) -> pa.Array:
    """The cells without as many bytes at both ends."""
    return pc.binary_slice(cells.cast(pa.binary()), count, -count).cast(pa.string())


def _is_unescaped(texts: pa.Array) -> bool:
    """Whether no text holds a backslash or a control character, which JSON wants escaped."""
    codes = _bytes(texts)
    return not len(codes) or bool(codes.min() >= _FIRST_PRINTED and not (codes == _BACKSLASH).any())


def _holds(texts: pa.Array, code: int) -> bool:
    return bool((_bytes(texts) == code).any())


def _bytes(texts: pa.Array) -> np.ndarray:
    """All bytes of texts, one text behind the other."""
    _, offsets, content = texts.buffers()
    if not len(texts) or content is None:
        return np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
