"""Where the records of quoted text begin: a line break inside quotes belongs to its cell."""

import re
from typing import NamedTuple

_CLOSING = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')
_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*"(?!")')


class Records(NamedTuple):
    """The records of consecutive lines.

    Args:
        starts: Offset of each record, and behind them the length of the lines.
        lines: Index of the line that each record begins on, and behind them the number of lines.
        is_open: Whether the last record still waits for its closing quotation mark.
        torn: Index of a record -> index of its line on which a quotation of an earlier line ends in
            the middle of a value. What closes there was to open another one: a mark is missing.
    """

    starts: list[int]
    lines: list[int]
    is_open: bool
    torn: dict[int, int]


def split_records(piece: bytes, delimiter: bytes | None) -> Records:
    """Cuts lines into records, as RFC 4180 has them.

    A quotation mark opens a quotation at the beginning of a value only, two of them inside stand
    for one, and what follows the closing one on its line belongs to the value.

    Args:
        piece: Whole lines, the first of which begins a record.
        delimiter: Between two values; None where nothing quotes values: a record a line.
    """
    starts: list[int] = []
    begins: list[int] = []
    torn: dict[int, int] = {}
    is_open = False
    start = 0
    lines = _lines(piece)
    for index, line in enumerate(lines):
        if not is_open:
            starts.append(start)
            begins.append(index)
        elif delimiter is not None and _closes_inside(line, delimiter):
            torn.setdefault(len(starts) - 1, index)
        start += len(line)
        if delimiter is not None and b'"' in line:
            is_open = _open_behind(line, delimiter, is_open)
    return Records([*starts, len(piece)], [*begins, len(lines)], is_open, torn)


def unquoted(record: bytes) -> bytes:
    """A record without what stands in quotes."""
    return _QUOTED.sub(b"", record)


def _lines(piece: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in piece.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _closes_inside(line: bytes, delimiter: bytes) -> bool:
    """Whether the quotation that is open where a line begins ends before the end of its value."""
    closing = _CLOSING.match(line)
    behind = line[closing.end() :] if closing else b""
    return not (behind in (b"", b"\n", b"\r\n") or behind.startswith(delimiter))


def _open_behind(line: bytes, delimiter: bytes, is_open: bool) -> bool:
    """Whether a quotation is open at the end of a line."""
    opening = delimiter + b'"'
    position = 0
    if not is_open and line.startswith(b'"'):
        is_open, position = True, 1
    while True:
        if is_open:
            closing = _CLOSING.match(line, position)
            if closing is None:
                return True
            position = closing.end()
        position = line.find(opening, position)
        if position < 0:
            return False
        is_open, position = True, position + len(opening)
