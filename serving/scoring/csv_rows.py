"""Raw rows from CSV: a header, then a row a line, every value as text."""

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from features.errors import DataError, did_you_mean
from features.raw import Reasons
from features.specs import FeatureSet, FeatureSpec
from serving.scoring.json_rows import UntypedBlock, json_column


def csv_blocks(
    lines: Iterator[str], where: str, features: FeatureSet, block_rows: int
) -> Iterator[UntypedBlock]:
    """Blocks of rows.

    Raises:
        DataError: The header lacks a column or names it twice; a row has another number of values
            than the header; or quotes do not match.
    """
    records = _records(lines, where)
    header = next(records, (0, []))[1]
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    positions = {name: _position(name, header, where) for name in specs}
    rows = _whole_rows(records, header, where)
    while block := list(islice(rows, block_rows)):
        columns: dict[str, pa.Array] = {}
        reasons: Reasons = {}
        for name, spec in specs.items():
            cells = [row[positions[name]] for _, row in block]
            columns[name], more = _column(cells, spec)
            reasons = {**more, **reasons}
        lines_of_rows = [number for number, _ in block]
        yield UntypedBlock(pa.RecordBatch.from_pydict(columns), lines_of_rows, reasons)


def _records(lines: Iterator[str], where: str) -> Iterator[tuple[int, list[str]]]:
    """The line on which each record begins, and its values. Empty lines are passed over."""
    reader = csv.reader(lines, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{where}, line {number}: is not CSV: {error}. Check its quotes and commas."
            ) from None
        if record:
            yield number, record


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


def _column(cells: Sequence[str], spec: FeatureSpec) -> tuple[pa.Array, Reasons]:
    if spec.history is None or spec.separator is not None:
        return pa.array(cells, pa.string()), {}
    # The data job joins histories itself, so that nothing else says how to write them in a cell.
    values: list[Any] = []
    reasons: Reasons = {}
    for row, cell in enumerate(cells):
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
