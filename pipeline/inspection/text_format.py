"""How delimited text is written: its encoding, its delimiter, and whether it names its columns."""

import csv
import re
from collections.abc import Sequence
from typing import Literal

from features.errors import DataError
from pipeline.data.reading.own_files import DELIMITERS, sniff_delimiter
from pipeline.data.reading.read import DAMAGED, open_file
from pipeline.data.settings.file_config import FormatConfig
from pipeline.inspection.column_names import label_rank

# Looked for where a line holds none of the usual ones; the second is Hive's.
_UNUSUAL = ("::", "\x01", "^", "~", "\x02", "\x1e", " ")
_HEAD_BYTES = 1 << 18
_LINES = 50
_ALIKE = 0.9  # share of the lines that have as many values as the first
_INSIDE_NUMBERS = re.compile(r"(?<=\d),(?=\d)")
_ENCODINGS = ("utf-8", "latin-1", "cp1252")  # of a file that two can be, the first is taken


def format_of(path: str, given: FormatConfig, label: str | None = None) -> FormatConfig:
    """Fills in the encoding, the delimiter, and `c0`, `c1`, ... where no line names columns.

    Args:
        path: A file of delimited text.
        given: What is known.
        label: A column that the file is said to have.

    Raises:
        DataError: The file cannot be read, or is not text.
    """
    lines, encoding = head_of(path, given.encoding)
    given = given.model_copy(update={"encoding": encoding})
    delimiter = given.delimiter or delimiter_of(lines, given.columns, given.quoting)
    if lines and given.delimiter is None and delimiter != sniff_delimiter(lines[0], given.columns):
        quoting = given.quoting and len(delimiter) == 1
        given = given.model_copy(update={"delimiter": delimiter, "quoting": quoting})
    if given.columns is not None:
        return given
    first = values_of(lines[0], delimiter) if lines else ()
    second = values_of(lines[1], delimiter) if len(lines) > 1 else ()
    if len(first) > 1 and is_row(first, second, label):
        columns = tuple(f"c{number}" for number in range(len(first)))
        given = given.model_copy(update={"columns": columns})
    return given


def head_of(path: str, encoding: str = "utf-8") -> tuple[list[str], str]:
    """The first lines of a text file, blank ones left out, and the encoding that they are in.

    Raises:
        DataError: The file cannot be read, or is not text.
    """
    try:
        with open_file(path) as stream:
            head = stream.read(_HEAD_BYTES)
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    if len(head) == _HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1] or head
    for guess in dict.fromkeys((encoding, *_ENCODINGS)):
        # Bytes from 0x80 to 0x9f are no characters of Latin-1, and a euro sign in Windows' text.
        if guess == "latin-1" and re.search(rb"[\x80-\x9f]", head):
            continue
        try:
            text = head.decode("utf-8-sig" if guess == "utf-8" else guess)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            lines = (line.rstrip("\r") for line in text.split("\n"))
            return [line for line in lines if line.strip()][:_LINES], guess
    raise DataError(
        f"{path} is not text. Expected delimited text, Parquet (ending in .parquet) or JSON lines "
        "(.jsonl)."
    )


def delimiter_of(
    lines: Sequence[str], columns: Sequence[str] | None = None, quoting: bool = True
) -> str:
    """The delimiter of text: one that cuts its lines into as many values each.

    A comma inside of numbers (`1,5;2,5`) is their decimal mark, beside another delimiter.

    Args:
        lines: The first lines of a file.
        columns: Names of all columns where they are known.
        quoting: Whether `"` quotes values.
    """
    if not lines:
        return ","
    usual = sniff_delimiter(lines[0], columns, quoting)
    if columns is not None and len(values_of(lines[0], usual)) == len(columns):
        return usual
    counts = {delimiter: _columns_of(lines, delimiter, quoting) for delimiter in DELIMITERS}
    if usual == "," and all(
        not line.replace('"', "").count(",") or _INSIDE_NUMBERS.search(line) for line in lines
    ):
        others = [other for other in DELIMITERS if other != "," and counts[other] > 1]
        for other in others:
            cells = [cell for line in lines for cell in line.split(other)]
            if all(cell.count(",") <= 1 for cell in cells):
                return other
    if counts[usual] > 1 or len(values_of(lines[0], usual)) > 1:
        best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
        return usual if counts[usual] > 1 or counts[best] < 2 else best
    for delimiter in _UNUSUAL:
        if _columns_of(lines, delimiter, quoting and len(delimiter) == 1) > 1 + (delimiter == " "):
            return delimiter
    return usual


def looks_like_a_table(lines: Sequence[str]) -> bool:
    """Whether lines of text have columns: several, and as many in most of the lines."""
    return _columns_of(lines, delimiter_of(lines), True) > 1


def _columns_of(lines: Sequence[str], delimiter: str, quoting: bool) -> int:
    """How many values a delimiter cuts most of the rows into; 1 where they differ."""
    counts = [len(row) for row in _rows(lines, delimiter, quoting)]
    if not counts or sum(count == counts[0] for count in counts) < _ALIKE * len(counts):
        return 1
    return counts[0]


def _rows(lines: Sequence[str], delimiter: str, quoting: bool) -> list[list[str]]:
    """The values of rows, whose quoted values may go on in the next line."""
    if len(delimiter) > 1:
        return [line.split(delimiter) for line in lines]
    quotes: Literal[0, 3] = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, quoting=quotes))
    except csv.Error:
        return [line.split(delimiter) for line in lines]
    return rows if len(rows) == 1 or len(lines) < _LINES else rows[:-1]  # perhaps cut


def values_of(line: str, delimiter: str) -> tuple[str, ...]:
    """The values of a line."""
    (cells, *_) = _rows([line], delimiter, quoting=True) or [[]]
    return tuple(value.strip().strip('"') for value in cells)


def is_row(first: Sequence[str], second: Sequence[str] = (), label: str | None = None) -> bool:
    """Whether the first line is a row already, and names no columns.

    A header may have an empty name, that of an index, and names such as `7` beside that of a
    label; the numbers 0, 1, 2, ... are names too, as pandas writes them.

    Args:
        first: Values of the first line.
        second: Values of the next one.
        label: A column that the file is said to have.
    """
    if label in first or any(len(value) > 1 and label_rank(value) is not None for value in first):
        return False
    numbers = [value for value in first if value and _is_number(value)]
    if numbers:
        names = list(first[1:] if not first[0] else first)
        return names != [str(number) for number in range(len(names))] or len(names) < 3
    if all(first):
        return False
    # What has no number below a name, and nothing instead of a name, is a row with a missing value.
    below = zip(first, second, strict=False)
    return not any(name and value and _is_number(value) for name, value in below)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
