"""Lines of libsvm and libffm to columns of text: each line becomes one row, or is rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from features.errors import DataError
from pipeline.data.reading.text_rows import BadLine, ParsedLines
from pipeline.data.sources.base import PairsFile

LABEL, INDICES, VALUES, QID = "label", "indices", "values", "qid"
_LONGEST_QUOTE = 1_000  # characters of a rejected line that are kept
_MOST_COLUMNS = 256  # of indices, each of its own


@dataclass
class Line:
    """What stands on a line.

    Args:
        label: The label's text, without a plus sign.
        qid: Text of the query's id, of libsvm; None where there is none.
        fields: Field of each pair, of libffm.
        indices: Index of each pair.
        values: Value of each pair.
    """

    label: str
    qid: str | None = None
    fields: list[str] = field(default_factory=list)
    indices: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


def read_line(text: str, is_ffm: bool) -> Line:
    """Reads a line that is not blank.

    Raises:
        ValueError: It is none; the message says what stands there instead.
    """
    label, *pairs = text.partition("#")[0].split()
    if ":" in label:
        raise ValueError(f"{label!r} stands where the label should")
    line = Line(label.removeprefix("+"))
    parts = 3 if is_ffm else 2
    for pair in pairs:
        cut = pair.split(":")
        if len(cut) == 2 and cut[0] == QID and not is_ffm:
            line.qid = cut[1]
            continue
        if len(cut) != parts or not all(cut):
            expected = "field:index:value" if is_ffm else "index:value"
            raise ValueError(f"{pair!r} is no {expected}")
        if is_ffm:
            line.fields.append(cut[0])
        line.indices.append(cut[-2])
        line.values.append(cut[-1])
    return line


class PairLineParser:
    """Parses pieces of such a file, as `LineParser` does those of delimited text.

    Args:
        file: Which columns there are.
        wanted: The columns to keep.
    """

    def __init__(self, file: PairsFile, wanted: Sequence[str]):
        self._is_ffm = file.format == "libffm"
        self._lists = {name: file.columns[name] for name in wanted}
        types = {
            name: pa.list_(pa.string()) if is_list else pa.string()
            for name, is_list in self._lists.items()
        }
        self._schema = pa.schema(list(types.items()))

    def parse(self, piece: bytes, first_line: int, last: bool = True) -> ParsedLines:
        """Parses whole lines.

        Args:
            piece: Lines; the line break of the last may be missing.
            first_line: Number of the first one.
            last: Whether no lines follow; every line is a record here.
        """
        rows: list[dict[str, str | list[str] | None]] = []
        lines, bad = [], []
        for number, content in enumerate(piece.split(b"\n"), first_line):
            try:
                text = content.decode()
                if not text.partition("#")[0].strip():
                    continue
                rows.append(self._row(read_line(text, self._is_ffm)))
                lines.append(number)
            except UnicodeDecodeError as error:
                reason = f"not UTF-8 text: byte 0x{content[error.start]:02x}"
                bad.append(_bad(number, reason, content))
            except ValueError as error:
                bad.append(_bad(number, str(error), content))
        columns = [
            pa.array([row[field.name] for row in rows], field.type) for field in self._schema
        ]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        return ParsedLines(table, np.array(lines, np.int64), bad)

    def _row(self, line: Line) -> dict[str, str | list[str] | None]:
        held = _fields_of(line) if self._is_ffm else _columns_of(line)
        row: dict[str, str | list[str] | None] = {}
        for name, is_list in self._lists.items():
            values = held.get(name)
            if is_list:
                row[name] = values
                continue
            if values is not None and len(values) > 1:
                raise ValueError(
                    f"{name} has {len(values)} values, where the first lines of the log have one"
                )
            absent = "0" if name.startswith("x") and not self._is_ffm else None
            row[name] = values[0] if values else absent
        return row


def find_columns(lines: Sequence[str], is_ffm: bool) -> dict[str, bool]:
    """The columns of lines, in the order of fields and indices, and which of them are lists.

    Args:
        lines: The first lines of a file.
        is_ffm: Whether they are libffm's.

    Raises:
        DataError: None of them can be read.
    """
    read = []
    for text in lines:
        try:
            if text.partition("#")[0].strip():
                read.append(read_line(text, is_ffm))
        except ValueError:  # is rejected as the job reads it
            continue
    if not read:
        raise DataError(
            "expected lines `label field:index:value ...`"
            if is_ffm
            else "expected lines `label index:value ...`"
        )
    columns: dict[str, bool] = {LABEL: False}
    only_ones = all(float_of(value) == 1.0 for line in read for value in line.values)
    if is_ffm:
        several: dict[str, bool] = {}
        weighted: dict[str, bool] = {}
        for line in read:
            for name in line.fields:
                several[name] = several.get(name, False) or line.fields.count(name) > 1
            for name, value in zip(line.fields, line.values, strict=True):
                weighted[name] = weighted.get(name, False) or float_of(value) != 1.0
        for name in sorted(several, key=_order):
            columns[f"field_{name}"] = several[name]
            if weighted[name]:
                columns[f"value_{name}"] = several[name]
        return columns
    if any(line.qid is not None for line in read):
        columns[QID] = False
    columns[INDICES] = True
    if not only_ones:
        columns[VALUES] = True
        found = {index for line in read for index in line.indices}
        if len(found) <= _MOST_COLUMNS:
            columns |= {f"x{index}": False for index in sorted(found, key=_order)}
    return columns


def float_of(text: str) -> float | None:
    """A number's text as a float; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def _columns_of(line: Line) -> Mapping[str, list[str]]:
    held = {LABEL: [line.label], INDICES: line.indices, VALUES: line.values}
    if line.qid is not None:
        held[QID] = [line.qid]
    for index, value in zip(line.indices, line.values, strict=True):
        held.setdefault(f"x{index}", []).append(value)
    return held


def _fields_of(line: Line) -> Mapping[str, list[str]]:
    held = {LABEL: [line.label]}
    for name, index, value in zip(line.fields, line.indices, line.values, strict=True):
        held.setdefault(f"field_{name}", []).append(index)
        held.setdefault(f"value_{name}", []).append(value)
    return held


def _order(name: str) -> tuple[int, int, str]:
    """Numbers by their size, and before other names."""
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)


def _bad(number: int, reason: str, line: bytes) -> BadLine:
    text = line.decode(errors="backslashreplace").rstrip("\r")
    return BadLine(number, reason, text[:_LONGEST_QUOTE])
