"""Delimited text that Arrow's parser reads as Python's does: many times faster, or not at all."""

import codecs
import csv
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv

from features.text_format import TextFormat
from serving.scoring.plain_text import count_lines, is_utf8

_BLOCK_BYTES = 2**31 - 1  # one block a call
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


class PlainCsv:
    """Reads lines of which each is provably a row, and the same row as `csv.reader` makes of it.

    Anything else it leaves alone: records of several lines, empty lines, quotation marks inside of
    values, carriage returns, bytes that are no text, rows with other numbers of values. Whoever
    is told None reads the lines with `csv.reader`, which is the one that says what a row is.

    Args:
        text_format: How the rows are written.
        encoding: Encoding of the file.
        num_columns: How many values a row has.
        positions: Which of them to keep, distinct.
    """

    def __init__(
        self, text_format: TextFormat, encoding: str, num_columns: int, positions: Sequence[int]
    ) -> None:
        delimiter = text_format.delimiter
        self._is_known = (
            codecs.lookup(encoding).name == "utf-8"
            and len(delimiter) == 1
            and (delimiter.isprintable() or delimiter == "\t")
            and delimiter.isascii()
            and delimiter != '"'
        )
        if not self._is_known:
            return
        self._quoting = text_format.quoting
        self._opens = np.zeros(256, bool)  # what may stand before an opening quotation mark
        self._opens[[_NEWLINE, _QUOTE, ord(delimiter)]] = True
        self._closes = self._opens.copy()
        self._closes[_RETURN] = True
        names = [str(position) for position in range(num_columns)]
        wanted = [str(position) for position in positions]
        self._read = pyarrow.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=_BLOCK_BYTES
        )
        self._parse = pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if self._quoting else False,
            newlines_in_values=self._quoting,
        )
        self._convert = pyarrow.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            null_values=[],
            strings_can_be_null=False,
        )

    def columns(self, piece: bytes) -> list[pa.Array] | None:
        """A string array for each of `positions`, a value a line; None where there is a doubt.

        Args:
            piece: Whole lines, the first of which begins a record; the line break of the last may
                be missing.
        """
        if not self._is_known or not piece or not self._is_plain(piece):
            return None
        try:
            rows = pyarrow.csv.read_csv(pa.py_buffer(piece), self._read, self._parse, self._convert)
        except pa.ArrowInvalid:
            return None
        if rows.num_rows != count_lines(piece):
            return None
        return [column.combine_chunks() for column in rows.columns]

    def _is_plain(self, piece: bytes) -> bool:
        return (
            b"\0" not in piece
            and not piece.startswith(codecs.BOM_UTF8)  # Arrow would drop it
            and (b"\r" not in piece or piece.count(b"\r") == piece.count(b"\r\n"))
            and is_utf8(piece)
            and _lines_are_short(piece)
            and (not self._quoting or self._quotes_are_plain(piece))
        )

    def _quotes_are_plain(self, piece: bytes) -> bool:
        """Whether quotation marks stand around whole values, or twice inside of such.

        Counted from the beginning, every second mark closes what the one before it opens; two that
        follow each other in quotes close and open again.
        """
        if b'"' not in piece:
            return True
        codes = np.frombuffer(b"\n" + piece + b"\n", np.uint8)
        marks = np.flatnonzero(codes == _QUOTE)
        if len(marks) % 2:
            return False
        opened = self._opens[codes[marks[0::2] - 1]]
        return bool(opened.all()) and bool(self._closes[codes[marks[1::2] + 1]].all())


def _lines_are_short(piece: bytes) -> bool:
    """Whether no value can be longer than `csv.reader` takes."""
    limit, end = csv.field_size_limit(), 0
    while len(piece) - end > limit:
        end = piece.rfind(b"\n", end, end + limit) + 1
        if not end:
            return False
    return True
