"""Adds the columns of side tables to rows, by key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.blocks.accounts import REJECTED, ROWS_KEPT, rejected
from pipeline.data.blocks.block_key import file_index
from pipeline.data.blocks.carried_columns import POSITION, text
from pipeline.data.blocks.spill import SpilledBlock, opened


def unique_rows(table: pa.Table, key: str) -> tuple[pa.Table, np.ndarray]:
    """Keeps the first row of each key.

    Returns:
        The kept rows in their order, and the indices of the others, increasing.
    """
    codes = table[text(key)].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    repeated = np.setdiff1d(np.arange(table.num_rows), first)
    return (table.take(pa.array(np.sort(first))) if len(repeated) else table), repeated


def join(rows: pa.RecordBatch, side: pa.Table, key: str) -> tuple[pa.RecordBatch, int]:
    """Adds the columns of `side` but for its key; rows without a match get nulls.

    Args:
        rows: Has the column `text(key)`.
        side: Has it too, each value once.
        key: Column to match.

    Returns:
        The rows, and how many have no match.
    """
    keys = side[text(key)].combine_chunks()
    place = pc.index_in(rows.column(text(key)), value_set=keys)
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    for name in side.column_names:
        if name != text(key):
            columns[name] = side[name].combine_chunks().take(place)
    return pa.RecordBatch.from_pydict(columns), place.null_count


class SideTables(beam.PTransform):
    """Gathers rows of side tables into one Arrow table each.

    Input: (name of the table, (block key, RecordBatch)). Outputs: `tables`, (name, Table) with
    each key once; `rejected`, the rows whose key stood before; `rows_kept`, (name, rows).

    Args:
        keys: Name of a side table -> its key.
        paths: Name of a side table -> its files.
    """

    def __init__(self, keys: Mapping[str, str], paths: Mapping[str, Sequence[str]]):
        super().__init__()
        self._keys, self._paths = dict(keys), dict(paths)

    def expand(self, blocks):  # noqa: ANN001, ANN201  (several outputs)
        return (
            blocks
            | beam.GroupByKey()
            | beam.FlatMap(self._gather).with_outputs(REJECTED, ROWS_KEPT, main="tables")
        )

    def _gather(self, named: tuple[str, Iterable[tuple[int, pa.RecordBatch]]]) -> Iterator[Any]:
        name, blocks = named
        key = self._keys[name]
        ordered = sorted(blocks, key=lambda block: block[0])
        table = pa.Table.from_batches([rows for _, rows in ordered])
        files = np.repeat([file_index(each) for each, _ in ordered], [len(r) for _, r in ordered])
        kept, repeated = unique_rows(table, key)
        for row in repeated.tolist():
            value, position = table[text(key)][row].as_py(), table[POSITION][row].as_py()
            reason = f"{key} {value!r} stands on an earlier line, which is the one that counts"
            entry = rejected(name, self._paths[name][files[row]], position, reason, value)
            yield beam.pvalue.TaggedOutput(REJECTED, entry)
        yield beam.pvalue.TaggedOutput(ROWS_KEPT, (name, kept.num_rows))
        yield name, kept.drop_columns([POSITION]).combine_chunks()


class JoinDoFn(beam.DoFn):
    """Joins every side table to blocks of rows, given as (key, RecordBatch or `SpilledBlock`).

    The counter join/unmatched_<table> counts rows without a match.

    Args:
        order: (name, key) of the side tables, in the order of joining.
        schemas: Name -> columns of the table, for one without any good row.
    """

    def __init__(self, order: Sequence[tuple[str, str]], schemas: Mapping[str, pa.Schema]):
        self._order = tuple(order)
        self._schemas = dict(schemas)

    def process(
        self, block: tuple[int, pa.RecordBatch | SpilledBlock], tables: Mapping[str, pa.Table]
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        key, rows = block[0], opened(block[1])
        for name, column in self._order:
            side = tables.get(name)
            if side is None:
                side = self._schemas[name].empty_table()
            rows, unmatched = join(rows, side, column)
            beam.metrics.Metrics.counter("join", f"unmatched_{name}").inc(unmatched)
        yield key, rows
