"""Reads what happened before the log began, and completes it with the columns of side tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.raw_texts import tokens
from features.specs import FeatureSet
from pipeline.data.blocks.accounts import REJECTED, ROWS_KEPT, ROWS_READ, rejected
from pipeline.data.blocks.block_key import block_key
from pipeline.data.blocks.carried_columns import text
from pipeline.data.histories.event_needs import event_columns
from pipeline.data.histories.example_histories import UNTIL
from pipeline.data.joining.side_tables import join
from pipeline.data.reading.read import RowBlock, UnreadableError, read_blocks
from pipeline.data.sources.base import EarlierEvents
from pipeline.data.sources.input_file import InputFile


class ReadEarlier(beam.DoFn):
    """`InputFile`s in; (history, block key, RecordBatch of lists) out, and what became of rows.

    Further outputs: `rejected`; `rows_read` and `rows_kept`, (table, rows) of each block.

    A batch has the key's text, `UNTIL`, and for each column of the history's events the lists of
    text, aligned with each other; what is not known of an event before the log is null.

    Args:
        description: Where the lists stand.
        features: Tell which histories and columns are needed.
        order: (name, key) of the side tables, in the order of joining.
    """

    def __init__(
        self,
        description: EarlierEvents,
        features: FeatureSet,
        order: Sequence[tuple[str, str]],
    ):
        self._from = description
        self._order = [pair for pair in order if pair[1] == description.item]
        self._histories = {
            name: (description.lists[history.where], event_columns(features, name))
            for name, history in features.histories.items()
            if (history.key, history.unless, history.events) == (description.key, None, None)
            and history.where in description.lists
        }

    def process(self, file: InputFile, tables: Mapping[str, pa.Table]) -> Iterator[Any]:
        source = self._from
        columns = dict.fromkeys([source.key, source.until])
        columns |= dict.fromkeys(column for column, _ in self._histories.values())
        try:
            for block in self._blocks(file, tuple(columns)):
                good, reasons = self._check(block.rows)
                for row, reason in sorted(reasons.items()):
                    position = int(block.positions[row])
                    entry = rejected(
                        file.table, file.path, position, reason, block.text_of(position)
                    )
                    yield beam.pvalue.TaggedOutput(REJECTED, entry)
                rows = block.rows.take(pa.array(good, pa.int64()))
                yield beam.pvalue.TaggedOutput(ROWS_READ, (file.table, len(block.rows)))
                yield beam.pvalue.TaggedOutput(ROWS_KEPT, (file.table, len(rows)))
                for name, (column, needed) in self._histories.items():
                    lists = self._lists(rows, column, needed, tables)
                    yield name, block_key(file.index, block.key), lists
        except UnreadableError as error:
            fatal = rejected(file.table, file.path, 0, str(error), "", fatal=True)
            yield beam.pvalue.TaggedOutput(REJECTED, fatal)

    def _blocks(self, file: InputFile, columns: Sequence[str]) -> Iterator[RowBlock]:
        part = (file.start, file.stop, file.newlines)
        return read_blocks(self._from.file, file.path, file.header, columns, *part)

    def _check(self, rows: pa.RecordBatch) -> tuple[list[int], dict[int, str]]:
        """Indices of the rows that have a key and a time, and why the others are of no use."""
        reasons = {}
        pattern = r"^-?[0-9]{1,18}$"
        until = rows.column(self._from.until)
        is_time = pc.fill_null(pc.match_substring_regex(until, pattern), False)
        for row in np.flatnonzero(rows.column(self._from.key).is_null()).tolist():
            reasons[row] = f"{self._from.key} must not be empty"
        for row in np.flatnonzero(pc.invert(is_time)).tolist():
            got = until[row].as_py()
            reasons[row] = f"{self._from.until} must be a time as a whole number, got {got!r}"
        return [row for row in range(len(rows)) if row not in reasons], reasons

    def _lists(
        self,
        rows: pa.RecordBatch,
        column: str,
        needed: Sequence[str],
        tables: Mapping[str, pa.Table],
    ) -> pa.RecordBatch:
        lists = rows.column(column)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        items = tokens(lists.flatten())
        events = pa.RecordBatch.from_pydict({text(self._from.item): items})
        for name, key in self._order:
            if name in tables:
                events, _ = join(events, tables[name], key)
        columns = {
            text(self._from.key): tokens(rows.column(self._from.key)),
            UNTIL: rows.column(self._from.until).cast(pa.int64()),
        }
        for event_column in needed:
            name = text(event_column)
            known = name in events.schema.names
            values = events.column(name) if known else pa.nulls(len(items), pa.string())
            columns[name] = pa.ListArray.from_arrays(offsets, values)
        return pa.RecordBatch.from_pydict(columns)
