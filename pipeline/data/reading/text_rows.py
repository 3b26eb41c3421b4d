"""Lines of delimited text to columns of text: each line becomes one row, or is rejected.

Arrow's parser is fast, but it merges lines over an unclosed quotation mark, splits them at a
carriage return, and gives up at a byte that is not UTF-8. So a piece of a file is parsed as a
whole, the result is checked to have exactly one row a line, and where it does not the piece is
halved until the lines at fault stand alone.
"""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from pipeline.data.sources.base import TextFile

_BLOCK_SIZE = 2**31 - 1  # one block a call, so that Arrow numbers the rows it refuses
# Stands for a delimiter of several characters, which Arrow does not know.
_UNIT_SEPARATOR = b"\x1f"
_MARK = codecs.BOM_UTF8


@dataclass(frozen=True)
class BadLine:
    """A line that is no row.

    Args:
        line: Its number, from 1.
        reason: What is wrong.
        text: The line.
    """

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class ParsedLines:
    """Rows of consecutive lines.

    Args:
        rows: String columns; missing is null.
        lines: Number of each row's line, int64 of shape (rows,), increasing.
        bad: The other lines, blank ones excepted.
    """

    rows: pa.Table
    lines: np.ndarray
    bad: list[BadLine]


class LineParser:
    """Parses pieces of a file that has these columns.

    Args:
        file: Delimiter, quoting, encoding and what means "missing".
        header: Names of all columns, in the order of the file.
        wanted: The columns to keep.
    """

    def __init__(self, file: TextFile, header: Sequence[str], wanted: Sequence[str]):
        self._num_columns = len(header)
        self._quoting = file.quoting
        self._encoding = file.encoding
        self._long_delimiter = file.delimiter.encode() if len(file.delimiter) > 1 else None
        self._delimiter = _UNIT_SEPARATOR.decode() if self._long_delimiter else file.delimiter
        # Put behind each piece: swallowed by a quotation mark that the last line leaves open.
        blank = b"-" if len(header) == 1 else self._delimiter.encode() * (len(header) - 1)
        self._sentinel = blank + b"\n"
        self._read = csv.ReadOptions(
            column_names=list(header), use_threads=False, block_size=_BLOCK_SIZE
        )
        self._convert = csv.ConvertOptions(
            include_columns=list(wanted),
            column_types={name: pa.string() for name in wanted},
            null_values=list(file.null_values),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        self._no_rows = pa.schema([(name, pa.string()) for name in wanted]).empty_table()

    def parse(self, piece: bytes, first_line: int) -> ParsedLines:
        """Parses whole lines.

        Args:
            piece: Lines; the line break of the last may be missing.
            first_line: Number of the first one.
        """
        num_lines = count_lines(piece)
        parsed = self._parse_whole(piece, num_lines, first_line)
        if parsed is not None:
            return parsed
        if num_lines == 1:
            return ParsedLines(self._no_rows, np.empty(0, np.int64), self._fault(piece, first_line))
        middle = piece.find(b"\n", len(piece) // 2) + 1
        if middle in (0, len(piece)):  # one line fills the second half
            middle = piece.rfind(b"\n", 0, len(piece) - 1) + 1
        head = self.parse(piece[:middle], first_line)
        tail = self.parse(piece[middle:], first_line + count_lines(piece[:middle]))
        return ParsedLines(
            pa.concat_tables([head.rows, tail.rows]),
            np.concatenate([head.lines, tail.lines]),
            head.bad + tail.bad,
        )

    def _parse_whole(self, piece: bytes, num_lines: int, first_line: int) -> ParsedLines | None:
        """Parses all lines at once; None where lines and rows may not correspond."""
        if b"\r" in piece and piece.count(b"\r") != piece.count(b"\r\n"):
            return None
        if not self._is_text(piece):
            return None
        if b"\0" in piece:
            return None
        bad: list[BadLine] = []

        def reject(row: csv.InvalidRow) -> str:
            plural = "column" if row.actual_columns == 1 else "columns"
            reason = f"{row.actual_columns} {plural} instead of {row.expected_columns}"
            text = row.text
            if self._long_delimiter:
                text = text.replace(self._delimiter, self._long_delimiter.decode())
            bad.append(BadLine(first_line + row.number - 1, reason, text))
            return "skip"

        end = b"" if piece.endswith(b"\n") else b"\n"
        if self._long_delimiter:
            if _UNIT_SEPARATOR in piece:  # would pass for a delimiter
                return None
            piece = piece.replace(self._long_delimiter, _UNIT_SEPARATOR)
        if self._encoding != "utf-8" and not piece.isascii():
            piece = piece.decode(self._encoding).encode()
        if piece.startswith(_MARK) or b"\n" + _MARK in piece:
            return None
        options = csv.ParseOptions(
            delimiter=self._delimiter,
            quote_char='"' if self._quoting else False,
            ignore_empty_lines=True,
            invalid_row_handler=reject,
        )
        try:
            rows = csv.read_csv(
                pa.py_buffer(piece + end + self._sentinel), self._read, options, self._convert
            )
        except pa.ArrowInvalid:
            return None
        if rows.num_rows + len(bad) != num_lines + 1:
            return None
        lines = np.arange(first_line, first_line + num_lines)
        if bad:
            lines = np.delete(lines, [each.line - first_line for each in bad])
        if len(lines) != rows.num_rows - 1:  # the sentinel was refused: its line is ours
            return None
        return ParsedLines(rows.slice(0, rows.num_rows - 1), lines, bad)

    def _fault(self, line: bytes, number: int) -> list[BadLine]:
        """Why a single line is no row; nothing for a blank one."""
        line = line.rstrip(b"\r\n")
        if not line.strip():
            return []
        text = line.decode(self._encoding, errors="backslashreplace")
        if not self._is_text(line):
            try:
                line.decode(self._encoding)
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x} at position {error.start + 1}"
                encoding = self._encoding.upper()
                return [BadLine(number, f"not {encoding} text: {byte} of the line", text)]
        if self._long_delimiter and _UNIT_SEPARATOR in line:
            return [BadLine(number, "a unit separator (0x1f) inside the line", text)]
        if b"\0" in line:
            return [BadLine(number, "a NUL byte inside the line", text)]
        if text.startswith(_MARK.decode()):  # Arrow would drop it at the beginning of a piece only
            return [BadLine(number, "a byte order mark before the line", text)]
        if b"\r" in line:
            return [BadLine(number, "a carriage return inside the line", text)]
        if self._quoting and b'"' in line:
            return [BadLine(number, 'a quotation mark (") is not closed on its line', text)]
        return [BadLine(number, f"not {self._num_columns} columns of text", text)]

    def _is_text(self, piece: bytes) -> bool:
        if piece.isascii():
            return True
        try:
            piece.decode(self._encoding)
        except UnicodeDecodeError:
            return False
        return True


def count_lines(piece: bytes) -> int:
    """Number of lines, the last with or without its line break."""
    return piece.count(b"\n") + (not piece.endswith(b"\n") and bool(piece))
