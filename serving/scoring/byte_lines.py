"""Lines of a file as bytes: one at a time for a careful reader, many at once for a fast one."""

import codecs
from collections.abc import Iterator
from typing import Protocol

from features.errors import DataError

_READ_BYTES = 1 << 20


class ByteFile(Protocol):
    """What is read of a file."""

    def read1(self, size: int, /) -> bytes: ...


class ByteLines(Iterator[bytes]):
    """The lines of a file, split at line feeds and nothing else.

    What reading raises is raised behind the whole lines before it, as a file's own iterator does.

    Args:
        file: Open at its beginning.

    Attributes:
        number: How many lines were taken so far, so that it is the number of the last one.
    """

    def __init__(self, file: ByteFile) -> None:
        self._file = file
        self._buffer, self._start = b"", 0  # what lies before `_start` has been taken
        self._ended = False
        self._error: Exception | None = None
        self.number = 0

    def __next__(self) -> bytes:
        line, _ = self._whole_lines(1)
        if not line:
            if self._error is not None:
                raise self._error
            raise StopIteration
        self.skip(line, 1)
        return line

    def put_back(self, line: bytes) -> None:
        """Makes the line that was taken last the next one again."""
        self._start -= len(line)
        self.number -= 1

    def peek(self, count: int) -> bytes:
        """The next `count` lines, or those that are left; they are not taken by that.

        Nothing where what follows cannot be read as far as that: take the lines singly.
        """
        piece, found = self._whole_lines(count)
        return b"" if found < count and self._error is not None else piece

    def skip(self, piece: bytes, count: int) -> None:
        """Takes lines that `peek` showed, of which there are `count`."""
        self._start += len(piece)
        self.number += count

    def _whole_lines(self, count: int) -> tuple[bytes, int]:
        """At most `count` lines, and how many they are."""
        found, end, searched = 0, self._start, self._start
        while found < count:
            behind = self._buffer.find(b"\n", searched) + 1
            if behind:
                found, end, searched = found + 1, behind, behind
                continue
            end, searched = end - self._start, len(self._buffer) - self._start
            if not self._read_more():
                if self._error is None and len(self._buffer) > end:  # without a line break
                    found, end = found + 1, len(self._buffer)
                break
        return self._buffer[self._start : end], found

    def _read_more(self) -> bool:
        """Whether there is more in the buffer now, of which `_start` is the beginning then."""
        chunks = [self._buffer[self._start :]]
        self._buffer, self._start = b"", 0
        size = 0
        try:
            while size < _READ_BYTES and not self._ended:
                chunk = self._file.read1(_READ_BYTES)
                chunks.append(chunk)
                size += len(chunk)
                self._ended = not chunk
        except Exception as error:  # whoever reads further must hear of it, not before
            self._ended, self._error = True, error
        self._buffer = b"".join(chunks)
        return size > 0


def decoded(lines: ByteLines, where: str, encoding: str) -> Iterator[str]:
    """The next lines as text, each taken when it is asked for. UTF-8 may begin with its mark.

    Raises:
        DataError: A line is no text in this encoding.
    """
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    for line in lines:
        try:
            yield line.decode("utf-8-sig" if is_utf8 and lines.number == 1 else encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where}, line {lines.number}: is not {encoding.upper()} text ({error.reason} at "
                f"byte {error.start}). Convert the file to {encoding.upper()}."
            ) from None
