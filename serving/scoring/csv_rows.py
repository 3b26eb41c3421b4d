"""Raw rows from delimited text: a header, then a row a record, every value as text."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

from features.errors import DataError, did_you_mean
from features.raw import Reasons
from features.specs import FeatureSet, FeatureSpec
from features.text_format import TextFormat
from serving.scoring.byte_lines import ByteLines, decoded
from serving.scoring.json_rows import UntypedBlock, json_column
from serving.scoring.plain_csv import PlainCsv
from serving.scoring.plain_lists import plain_lists

_CSV = TextFormat()
_DELIMITERS = (",", "\t", ";", "|")


def csv_blocks(
    lines: ByteLines,
    where: str,
    features: FeatureSet,
    block_rows: int,
    text_format: TextFormat = _CSV,
) -> Iterator[UntypedBlock]:
    """Blocks of rows.

    Args:
        lines: Lines of the file.
        where: What messages call it.
        features: What the columns mean.
        block_rows: Most rows in a block.
        text_format: How the rows of training were written. Another delimiter is taken where the
            header has all columns with that one only.

    Raises:
        DataError: The header lacks a column or names it twice; a row has another number of values
            than the header; quotes do not match; or a line is no text in its encoding.
    """
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    encoding, given = text_format.encoding, text_format.columns
    text_format = _with_delimiter(text_format, _first_line(lines, where, encoding), specs)

    def records() -> Iterator[tuple[int, list[str]]]:
        return _records(lines, where, text_format, encoding)

    header = list(given or ())
    if given is None:
        header = [name.strip() for name in next(records(), (0, []))[1]]
    positions = [_position(name, header, where) for name in specs]
    plain = PlainCsv(text_format, encoding, len(header), positions)
    while True:
        piece = lines.peek(block_rows)
        columns = plain.columns(piece)
        if columns is not None:
            first, count = lines.number + 1, len(columns[0])
            lines.skip(piece, count)
            yield _block(columns, range(first, first + count), specs)
            continue
        rows = list(islice(_whole_rows(records(), header, where), block_rows))
        if not rows:
            return
        cells = [pa.array([row[each] for _, row in rows], pa.string()) for each in positions]
        yield _block(cells, [number for number, _ in rows], specs)


def _block(
    cells: Iterable[pa.Array], lines: Sequence[int], specs: Mapping[str, FeatureSpec]
) -> UntypedBlock:
    columns: dict[str, pa.Array] = {}
    reasons: Reasons = {}
    for (name, spec), texts in zip(specs.items(), cells, strict=True):
        columns[name], more = _column(texts, spec)
        reasons = {**more, **reasons}
    return UntypedBlock(pa.RecordBatch.from_pydict(columns), lines, reasons)


def _first_line(lines: ByteLines, where: str, encoding: str) -> str:
    """The first line that is not blank, which stays the next one; those before it are taken."""
    for line in lines:
        lines.put_back(line)
        text = next(decoded(lines, where, encoding))
        if text.strip():
            lines.put_back(line)
            return text
    return ""


def _with_delimiter(text_format: TextFormat, first: str, needed: Collection[str]) -> TextFormat:
    """The format of this file: the delimiter with which its first line is the header."""
    for delimiter in dict.fromkeys([text_format.delimiter, *_DELIMITERS]):
        quoting = text_format.quoting and len(delimiter) == 1
        chosen = TextFormat(delimiter=delimiter, quoting=quoting)
        try:
            names = next(_cells(iter([first.removesuffix("\n")]), chosen), [])
        except csv.Error:  # whoever reads the line says what is wrong with it
            continue
        if set(needed) <= {name.strip() for name in names}:
            return chosen
    return text_format


def _cells(lines: Iterator[str], text_format: TextFormat) -> Iterator[list[str]]:
    if len(text_format.delimiter) > 1:  # which nothing quotes
        return (
            line.rstrip("\r\n").split(text_format.delimiter) if line.strip() else []
            for line in lines
        )
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if text_format.quoting else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=text_format.delimiter, quoting=quoting, strict=True)


def _records(
    lines: ByteLines, where: str, text_format: TextFormat, encoding: str
) -> Iterator[tuple[int, list[str]]]:
    """The line on which each record begins, and its values. Empty lines are passed over.

    No line behind a record is taken before the next record is asked for.
    """
    cells = _cells(decoded(lines, where, encoding), text_format)
    while True:
        first_line = lines.number + 1
        try:
            record = next(cells)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{where}, line {first_line}: is not CSV: {error}. Check its quotes and commas."
            ) from None
        if record:
            yield first_line, record


def _whole_rows(
    records: Iterator[tuple[int, list[str]]], header: list[str], where: str
) -> Iterator[tuple[int, list[str]]]:
    for number, row in records:
        if len(row) != len(header):
            raise DataError(
                f"{where}, line {number}: has {len(row)} values, but the header names "
                f"{len(header)} columns. Complete the row, or quote values that hold a comma."
            )
        yield number, row


def _position(name: str, header: list[str], where: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if not header:
        raise DataError(f"{where} is empty. A CSV file begins with a line of column names.")
    if name in header:
        raise DataError(f"{where}: its header names {name!r} twice. Rename or remove one.")
    raise DataError(
        f"{where}: its header has no column {name!r}. {did_you_mean(name, header)} Where it is "
        "missing from every row, add it with empty values."
    )


def _column(cells: pa.Array, spec: FeatureSpec) -> tuple[pa.Array, Reasons]:
    if spec.history is None or spec.separator is not None:
        return cells, {}
    # The data job joins histories itself, so that nothing else says how to write them in a cell.
    lists = plain_lists(cells)
    if lists is not None:
        return lists, {}
    values: list[Any] = []
    reasons: Reasons = {}
    for row, cell in enumerate(cells.to_pylist()):
        try:
            value = json.loads(cell) if cell else None
        except (ValueError, RecursionError):
            value = cell
        if value is not None and not isinstance(value, list):
            reasons[row] = f'{spec.raw_name} must be a JSON list such as ["a", "b"], got {cell!r}'
            value = None
        values.append(value)
    column, more = json_column(values, spec)
    return column, {**more, **reasons}
