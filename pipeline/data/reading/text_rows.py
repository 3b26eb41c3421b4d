"""Lines of delimited text to columns of text: each record becomes one row, or is rejected.

A record is a line, or several where quotes hold line breaks. Arrow's parser is fast, but it splits
lines at a carriage return, gives up at a byte that is not UTF-8, and tells no record of several
lines from lines that an open quotation mark runs together. So a piece of a file is parsed as a
whole, and the result is checked to have exactly one row a line. Where it does not, the piece is cut
into records and halved until the records at fault stand alone, never within a record: what stands
in a cell must not become a row.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from pipeline.data.reading.text_records import split_records, unquoted
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
        lines: Number of the line that each row begins on, int64 of shape (rows,), increasing.
        bad: The lines of records that are no rows, blank ones excepted.
        rest: Bytes at the end that belong to a record which the next lines go on with.
    """

    rows: pa.Table
    lines: np.ndarray
    bad: list[BadLine]
    rest: int = 0


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

    def parse(self, piece: bytes, first_line: int, last: bool = True) -> ParsedLines:
        """Parses whole lines.

        Args:
            piece: Lines; the line break of the last may be missing.
            first_line: Number of the first one, which begins a record.
            last: Whether no lines follow. If some do, a record that they may close is left over.
        """
        numbers = np.arange(first_line, first_line + count_lines(piece))
        parsed = self._parse_whole(piece, numbers)
        if parsed is not None:
            return parsed
        records = split_records(piece, self._delimiter.encode() if self._quoting else None)
        starts, lines = np.array(records.starts), np.array(records.lines) + first_line
        unclosed = b""
        if records.is_open:
            unclosed = piece[starts[-2] :]
            starts, lines = starts[:-1], lines[:-1]
        parts: list[ParsedLines] = []
        begin = 0
        for index, torn_on in sorted(records.torn.items()):
            if index == len(starts) - 1:  # which is not closed either
                continue
            upto = slice(begin, index + 1)
            parts += self._parse_records(piece, starts[upto], lines[upto])
            record = piece[starts[index] : starts[index + 1]]
            parts.append(self._torn(record, int(lines[index]), torn_on + first_line))
            begin = index + 1
        parts += self._parse_records(piece, starts[begin:], lines[begin:])
        if unclosed and last:  # nobody knows where the quotation should end
            parts.append(self._unclosed(unclosed, int(lines[-1])))
        return ParsedLines(
            pa.concat_tables([self._no_rows, *(part.rows for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.lines for part in parts)]),
            [bad for part in parts for bad in part.bad],
            0 if last else len(unclosed),
        )

    def _parse_records(
        self, piece: bytes, starts: np.ndarray, lines: np.ndarray
    ) -> Iterator[ParsedLines]:
        """Parses records that start at these offsets and lines; the last of both is behind them."""
        count = len(starts) - 1
        if not count:
            return
        records = piece[starts[0] : starts[-1]]
        parsed = self._parse_whole(records, lines[:-1], alone=count == 1)
        if parsed is None and count == 1:
            parsed = self._fault(records, int(lines[0]))
        if parsed is not None:
            yield self._line_by_line(parsed, records, lines)
            return
        middle = int(np.searchsorted(starts, (starts[0] + starts[-1]) // 2))
        middle = min(max(middle, 1), count - 1)
        yield from self._parse_records(piece, starts[: middle + 1], lines[: middle + 1])
        yield from self._parse_records(piece, starts[middle:], lines[middle:])

    def _parse_whole(
        self, piece: bytes, numbers: np.ndarray, alone: bool = False
    ) -> ParsedLines | None:
        """Parses records all at once; None where records and rows may not correspond.

        Args:
            piece: The records.
            numbers: Line that each of them begins on.
            alone: Whether it is a single record, so that its quotes are known to match.
        """
        if not self._is_whole(piece, unquoted(piece) if alone and self._quoting else piece):
            return None
        bad: list[BadLine] = []

        def reject(row: csv.InvalidRow) -> str:
            plural = "column" if row.actual_columns == 1 else "columns"
            reason = f"{row.actual_columns} {plural} instead of {row.expected_columns}"
            text = row.text
            if self._long_delimiter:
                text = text.replace(self._delimiter, self._long_delimiter.decode())
            is_sentinel = row.number > len(numbers)
            bad.append(BadLine(-1 if is_sentinel else int(numbers[row.number - 1]), reason, text))
            return "skip"

        end = b"" if piece.endswith(b"\n") else b"\n"
        if self._long_delimiter:
            piece = piece.replace(self._long_delimiter, _UNIT_SEPARATOR)
        if self._encoding != "utf-8" and not piece.isascii():
            piece = piece.decode(self._encoding).encode()
        options = csv.ParseOptions(
            delimiter=self._delimiter,
            quote_char='"' if self._quoting else False,
            ignore_empty_lines=True,
            invalid_row_handler=reject,
            newlines_in_values=self._quoting,
        )
        try:
            rows = csv.read_csv(
                pa.py_buffer(piece + end + self._sentinel), self._read, options, self._convert
            )
        except pa.ArrowInvalid:
            return None
        if rows.num_rows + len(bad) != len(numbers) + 1:
            return None
        good = numbers
        if bad:
            good = np.setdiff1d(numbers, [each.line for each in bad])
        if len(good) != rows.num_rows - 1:  # the sentinel was refused: its line is ours
            return None
        return ParsedLines(rows.slice(0, rows.num_rows - 1), good, bad)

    def _is_whole(self, piece: bytes, plain: bytes) -> bool:
        """Whether records are text that a parser may be given at once; `plain` has no quotes."""
        return (
            (b"\r" not in plain or plain.count(b"\r") == plain.count(b"\r\n"))
            and self._is_text(piece)
            and b"\0" not in piece
            # It would pass for a delimiter.
            and not (self._long_delimiter and _UNIT_SEPARATOR in piece)
            and not (plain.startswith(_MARK) or b"\n" + _MARK in plain)
        )

    def _line_by_line(self, parsed: ParsedLines, piece: bytes, lines: np.ndarray) -> ParsedLines:
        """The same, with each line of a record of several lines that is no row told of."""
        if not parsed.bad or len(parsed.lines) + len(parsed.bad) == lines[-1] - lines[0]:
            return parsed
        texts = piece.split(b"\n")
        bad = []
        for entry in parsed.bad:
            behind = int(lines[np.searchsorted(lines, entry.line, "right")])
            if behind == entry.line + 1:
                bad.append(entry)
                continue
            reason = f"{entry.reason} in the record of lines {entry.line} to {behind - 1}"
            bad += self._lines(texts[entry.line - lines[0] : behind - lines[0]], entry.line, reason)
        return replace(parsed, bad=bad)

    def _torn(self, record: bytes, number: int, torn_on: int) -> ParsedLines:
        """A record of lines that a stray quotation mark runs together."""
        reason = (
            f'inside of a quotation mark (") that is opened on line {number} and closed in the '
            f"middle of a value on line {torn_on}: one of the two is too many"
        )
        bad = self._lines(record.removesuffix(b"\n").split(b"\n"), number, reason)
        return ParsedLines(self._no_rows, np.empty(0, np.int64), bad)

    def _unclosed(self, record: bytes, number: int) -> ParsedLines:
        """A record that the end of the file breaks off."""
        first, *others = record.removesuffix(b"\n").split(b"\n")
        bad = self._lines([first], number, 'a quotation mark (") is not closed on its line')
        reason = f'inside of a quotation mark (") that line {number} opens and no line closes'
        bad += self._lines(others, number + 1, reason)
        return ParsedLines(self._no_rows, np.empty(0, np.int64), bad)

    def _lines(self, lines: Sequence[bytes], number: int, reason: str) -> list[BadLine]:
        return [
            BadLine(each, reason, self._text(line))
            for each, line in enumerate(lines, number)
            if line.strip()
        ]

    def _text(self, line: bytes) -> str:
        return line.rstrip(b"\r\n").decode(self._encoding, errors="backslashreplace")

    def _fault(self, record: bytes, number: int) -> ParsedLines:
        """Why a single record is no row; nothing for a blank one."""
        bad = []
        if record.strip():
            bad = [BadLine(number, self._why(record.rstrip(b"\r\n")), self._text(record))]
        return ParsedLines(self._no_rows, np.empty(0, np.int64), bad)

    def _why(self, record: bytes) -> str:
        if not self._is_text(record):
            try:
                record.decode(self._encoding)
            except UnicodeDecodeError as error:
                byte = f"byte 0x{record[error.start]:02x} at position {error.start + 1}"
                return f"not {self._encoding.upper()} text: {byte} of the line"
        if self._long_delimiter and _UNIT_SEPARATOR in record:
            return "a unit separator (0x1f) inside the line"
        if b"\0" in record:
            return "a NUL byte inside the line"
        if record.decode(self._encoding).startswith(_MARK.decode()):
            return "a byte order mark before the line"  # Arrow drops it where a piece begins only
        if b"\r" in record:
            return "a carriage return inside the line"
        return f"not {self._num_columns} columns of text"

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
