"""Lines of JSON objects to columns of text: each line becomes one row, or is rejected."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features.raw_values import text_of
from pipeline.data.reading.python_literals import read_literal
from pipeline.data.reading.text_rows import BadLine, ParsedLines
from pipeline.data.sources.base import JsonLinesFile

_LONGEST_QUOTE = 1_000  # characters of a rejected line that are kept
_NESTED = 800  # brackets of a line from which on orjson may read what is too deep for Python
_MINUS_ZERO = re.compile(rb"-0(?![0-9.eE])")
_DIGITS = bytes(ord("9" if chr(code).isdigit() else " ") for code in range(128)) + b" " * 128
_LONG_NUMBER = b"9" * 19


class JsonLineParser:
    """Parses pieces of a file of JSON objects, as `LineParser` does those of delimited text.

    Lines are read one by one: Arrow's JSON reader neither numbers the lines it refuses nor keeps
    an object that is spread over two of them apart from two rows. orjson reads a line where it
    provably says what Python's reader does, which reads the others; columns whose values are all
    of one kind are made at once, others value by value.

    Args:
        file: Where the columns stand in an object.
        wanted: The columns to keep.
    """

    def __init__(self, file: JsonLinesFile, wanted: Sequence[str]):
        self._columns = {name: _Column(file, name) for name in wanted}
        self._load = read_literal if file.python_literals else _json_reader()
        self._is_json = not file.python_literals
        self._kind = "JSON" if self._is_json else "Python literal"
        self._longest_line = file.longest_line
        self._surely_fine = min(_NESTED, file.longest_line)  # bytes of a line
        self._schema = pa.schema([(name, each.type) for name, each in self._columns.items()])

    def parse(self, piece: bytes, first_line: int, last: bool = True) -> ParsedLines:
        """Parses whole lines.

        Args:
            piece: Lines; the line break of the last may be missing.
            first_line: Number of the first one.
            last: Whether no lines follow; every line is a record here.
        """
        objects, lines, bad = [], [], []
        texts = piece.split(b"\n")
        read = self._read_fast if self._is_json and _has_usual_numbers(piece) else self._read
        for number, text in enumerate(texts, first_line):
            if not text.strip():
                continue
            try:
                objects.append(read(text))
                lines.append(number)
            except ValueError as error:
                bad.append(_bad_line(number, str(error), text))
        columns, reasons = self._to_columns(objects)
        if reasons:
            for row, reason in reasons.items():
                bad.append(_bad_line(lines[row], reason, texts[lines[row] - first_line]))
            bad.sort(key=lambda each: each.line)
            good = [row for row in range(len(objects)) if row not in reasons]
            columns = [column.take(pa.array(good, pa.int64())) for column in columns]
            lines = [lines[row] for row in good]
        rows = pa.Table.from_arrays(columns, schema=self._schema)
        return ParsedLines(rows, np.array(lines, np.int64), bad)

    def _read_fast(self, line: bytes) -> dict[str, Any]:
        """What `_read` makes of a line, with whole numbers as such in place of their digits."""
        if len(line) > self._surely_fine and (
            len(line) > self._longest_line or line.count(b"[") + line.count(b"{") > _NESTED
        ):
            return self._read(line)
        try:
            record = orjson.loads(line)
        except ValueError:
            return self._read(line)  # it may be fine to Python, or has the better reason
        return record if type(record) is dict else self._read(line)

    def _read(self, line: bytes) -> dict[str, Any]:
        if len(line) > self._longest_line:
            raise ValueError(
                f"a line of {len(line):,} bytes, where {self._longest_line:,} are the most"
            )
        try:
            record = self._load(line.decode().rstrip("\r"))
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x} at position {error.start + 1}"
            raise ValueError(f"not UTF-8 text: {byte} of the line") from error
        except RecursionError as error:
            raise ValueError(f"not {self._kind}: nested too deeply") from error
        except ValueError as error:
            raise ValueError(f"not {self._kind}: {error}") from error
        if not isinstance(record, dict):
            raise ValueError(f"not an object: {_quote(record)}")
        return record

    def _to_columns(self, objects: Sequence[dict]) -> tuple[list[pa.Array], dict[int, str]]:
        """The wanted columns of all objects; index of an object -> why it makes no row."""
        reasons: dict[int, str] = {}
        columns = []
        for column in self._columns.values():
            at_once = column.read_all(objects) if self._is_json else None
            if at_once is not None:
                columns.append(at_once)
                continue
            values = []
            for row, each in enumerate(objects):
                try:
                    values.append(column.read(each))
                except ValueError as error:
                    reasons.setdefault(row, str(error))
                    values.append(None)
            columns.append(pa.array(values, column.type))
        return columns, reasons


class _Column:
    """Finds one column in an object."""

    def __init__(self, file: JsonLinesFile, name: str):
        keys = file.columns[name]
        self._keys = (keys,) if isinstance(keys, str) else tuple(keys)
        self._pick = _PICKS[file.picks.get(name, "value")]
        self._name = name
        is_list = file.picks.get(name) == "list"
        self.type = pa.list_(pa.string()) if is_list else pa.string()

    def read_all(self, records: Sequence[Mapping[str, Any]]) -> pa.Array | None:
        """What `read` makes of every record of JSON; None where values are of several kinds."""
        if len(self._keys) > 1 or self._pick is _last_of_last:
            return None
        key = self._keys[0]
        values = [record.get(key) for record in records]
        try:
            if self._pick is _list:
                return _lists(values)
            return _texts(values)
        except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError):
            return None

    def read(self, record: Mapping[str, Any]) -> str | list[str | None] | None:
        """Text, or a list of texts; None where it is missing.

        Raises:
            ValueError: What stands there is of another kind.
        """
        value: Any = record
        for key in self._keys:
            if value is None:
                return None
            if not isinstance(value, dict):
                raise ValueError(f"{self._name} stands inside an object, got {_quote(value)}")
            value = value.get(key)
        try:
            return self._pick(value)
        except TypeError as error:
            raise ValueError(f"{self._name} must be {error}, got {_quote(value)}") from error
        except UnicodeEncodeError as error:
            raise ValueError(f"{self._name} is not text: it holds half a character") from error


def _texts(values: list[Any]) -> pa.Array | None:
    """The texts of values of one kind, missing ones among them; None for other values."""
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int}:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if kinds <= {str}:
        texts = pa.array(values, pa.string())
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if kinds <= {bool, float, int}:
        return pa.array(list(map(text_of, values)), pa.string())
    return None


def _lists(values: list[Any]) -> pa.Array | None:
    """Lists of texts, missing ones among them; None where others are among them too."""
    if set(map(type, values)) - {list, type(None)}:
        return None
    lists = pa.array(values, pa.list_(pa.string()))
    return None if pc.any(pc.equal(lists.flatten(), "")).as_py() else lists


def _value(value: Any, expected: str = "one value") -> str | None:
    """Raises `TypeError`, naming what was expected, for other than text, numbers, true, false."""
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # JSON may escape half of a surrogate pair
        return value or None
    try:
        return text_of(value)
    except TypeError:
        raise TypeError(expected) from None


def _list(values: Any) -> list[str | None] | None:
    if values is None or values == "":
        return None
    if not isinstance(values, list | tuple):
        raise TypeError("a list of values")
    return [_value(each, "a list of values") for each in values]


def _last_of_last(value: Any) -> str | None:
    for _ in range(2):
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise TypeError("a list of lists of values")
        value = value[-1] if value else None
    return _value(value, "a list of lists of values")


_PICKS: dict[str, Callable[[Any], str | list[str | None] | None]] = {
    "value": _value,
    "list": _list,
    "last_of_last": _last_of_last,
}


def _has_usual_numbers(piece: bytes) -> bool:
    """Whether no number can stand there that orjson reads as another one: it has no whole minus
    zero, and rounds whole numbers of more than 64 bits.
    """
    return not _MINUS_ZERO.search(piece) and _LONG_NUMBER not in piece.translate(_DIGITS)


def _json_reader() -> Callable[[str], Any]:
    """Reads JSON; whole numbers stay the text that they are written as, however long."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    return json.JSONDecoder(parse_int=str, parse_constant=refuse).decode


def _bad_line(number: int, reason: str, line: bytes) -> BadLine:
    text = line[: 4 * _LONGEST_QUOTE].rstrip(b"\r").decode(errors="backslashreplace")
    return BadLine(number, reason, text[:_LONGEST_QUOTE])


def _quote(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
