"""Pieces of a text file: whole lines, cut where the file says and not where a worker began.

A piece owns the lines that start in its part of a grid of `PIECE_BYTES`. So the pieces of a file,
and with them the blocks of rows that the job shuffles, are the same however many workers read it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

PIECE_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
_COUNTED_AT_ONCE = 4 << 20


@dataclass(frozen=True)
class Piece:
    """Consecutive lines.

    Args:
        offset: Where the first one starts in the file, which may be decompressed.
        line: Its number, from 1.
        data: The lines; the line break of the file's last one may be missing.
    """

    offset: int
    line: int
    data: bytes


def read_pieces(
    stream: BinaryIO, start: int = 0, stop: int | None = None, newlines: int = 0
) -> Iterator[Piece]:
    """The pieces whose lines start in a range of a file, in their order.

    Args:
        stream: At its beginning; it can seek if `start` is not 0.
        start: First byte of the range, a multiple of `PIECE_BYTES`.
        stop: First byte behind it, also a multiple; None reads to the end.
        newlines: How many line breaks stand before `start`.

    Raises:
        OSError: A line is longer than `LONGEST_LINE`, or the file is damaged.
    """
    offset, line, buffer = 0, newlines + 1, b""
    if start:
        first_line = _first_line(stream, start, stop)
        if first_line is None:
            return
        offset, buffer = first_line
        line += offset > start  # the break before it stands in the range, and was not counted
    while stop is None or offset < stop:
        # The last line is the one that holds the last byte of this part of the grid.
        last = PIECE_BYTES - 1 - offset % PIECE_BYTES
        searched = last
        while not (end := buffer.find(b"\n", searched) + 1):
            searched = max(last, len(buffer))
            if searched - last > LONGEST_LINE:
                limit = LONGEST_LINE >> 20
                raise OSError(f"a line is longer than {limit} MB; is this a text file?")
            read = stream.read(PIECE_BYTES)
            if not read:
                end = len(buffer)
                break
            buffer += read
        if not end:
            return
        piece, buffer = buffer[:end], buffer[end:]
        yield Piece(offset, line, piece)
        offset, line = offset + end, line + piece.count(b"\n")


def _first_line(stream: BinaryIO, start: int, stop: int | None) -> tuple[int, bytes] | None:
    """Where the first line starts in a range, and what was read from there; None without one."""
    offset = start - 1  # a break just before the range ends the line of somebody else
    stream.seek(offset)
    while stop is None or offset < stop - 1:
        most = PIECE_BYTES if stop is None else min(PIECE_BYTES, stop - 1 - offset)
        read = stream.read(most)
        if not read:
            return None
        end = read.find(b"\n") + 1
        if end:
            return offset + end, read[end:]
        offset += len(read)
    return None


class LineCount(NamedTuple):
    """What a range of bytes holds.

    Lines that break inside quotes have an odd number of quotation marks.

    Args:
        newlines: How many line breaks.
        odd_head: Whether the number is odd up to the first of them.
        odd: Whether it is in a line between two of them.
        odd_tail: Whether it is behind the last of them.
    """

    newlines: int
    odd_head: bool = False
    odd: bool = False
    odd_tail: bool = False


def count_lines_in(stream: BinaryIO, start: int, stop: int, quotes: bool = True) -> LineCount:
    """Counts line breaks in a range of bytes, and looks for lines that may break inside quotes.

    Args:
        stream: Can seek.
        start: First byte of the range.
        stop: First byte behind it.
        quotes: Whether to look for quotation marks at all.
    """
    stream.seek(start)
    newlines, left = 0, stop - start
    odd_head, odd, odd_line = False, False, False
    while left > 0 and (read := stream.read(min(left, _COUNTED_AT_ONCE))):
        left -= len(read)
        breaks = read.count(b"\n")
        if quotes and (odd_line or b'"' in read):
            counts = _quotes_of_lines(read)
            counts[0] += odd_line
            is_odd = counts % 2 == 1
            complete, odd_line = is_odd[:-1], bool(is_odd[-1])
            if not newlines and len(complete):
                odd_head, complete = bool(complete[0]), complete[1:]
            odd |= bool(complete.any())
        newlines += breaks
    if not newlines:
        return LineCount(0, odd_head=odd_line)
    return LineCount(newlines, odd_head, odd, odd_line)


def _quotes_of_lines(text: bytes) -> np.ndarray:
    """Quotation marks of each line, and of what follows the last line break."""
    codes = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero(codes == ord("\n"))
    quotes = np.flatnonzero(codes == ord('"'))
    before = np.searchsorted(quotes, breaks)
    return np.diff(np.concatenate([[0], before, [len(quotes)]]))
