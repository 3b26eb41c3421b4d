"""Histories as a Beam transform: rows and events of a key meet in one partition."""

from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.specs import FeatureSet
from pipeline.data.earlier import event_columns
from pipeline.data.histories import UNTIL, EarlierLists, Events, histories_of
from pipeline.data.read import MAX_ROWS
from pipeline.data.read_rows import block_key
from pipeline.data.stable_hash import stable_hash
from pipeline.data.working import flag, text

_ROWS = ""  # label of rows; lists are labelled with their history
Labelled = tuple[str, int, pa.RecordBatch]


class CollectHistories(beam.PTransform):
    """Adds the sequences of all histories that are kept by one key.

    Input: `rows`, (block key, RecordBatch), and `lists`, (history, block key, RecordBatch) as
    `ReadEarlier` gives them. Output: the same rows in blocks of a partition each, (block key,
    RecordBatch), with a column of lists for each sequence. Blocks, and the order in them, do not
    depend on how the runner bundles its work.

    Args:
        features: Declares histories and sequences.
        key: Column that the histories are kept by.
        partitions: Number of partitions; one of them is in memory at a time.
    """

    def __init__(self, features: FeatureSet, key: str, partitions: int):
        super().__init__()
        self._histories = {
            name: each for name, each in features.histories.items() if each.key == key
        }
        self._columns = {name: event_columns(features, name) for name in self._histories}
        self._lengths = {
            name: {
                spec.raw_name: (spec.column, spec.max_length)
                for spec in features.features.values()
                if spec.history == name
            }
            for name in self._histories
        }
        self._key, self._partitions = key, partitions
        self._time = features.timestamp.raw_name

    # Beam takes annotations for type hints, and has none for a pair of collections.
    def expand(self, inputs):  # noqa: ANN201
        rows, lists = inputs
        parts = (
            rows | "Rows" >> beam.MapTuple(lambda key, batch: (_ROWS, key, batch)),
            lists | "Lists" >> beam.Filter(lambda block: block[0] in self._histories),
        )
        return (
            parts
            | beam.Flatten()
            # Typed throughout: Beam would pickle what it does not know, and a pickled slice is as
            # large as what it was cut from.
            | "Scatter"
            >> beam.FlatMap(scatter, text(self._key), self._partitions).with_output_types(
                tuple[int, tuple[str, int, pa.RecordBatch]]
            )
            | "Meet" >> beam.GroupByKey()
            | "Collect" >> beam.FlatMap(self._collect).with_output_types(tuple[int, pa.RecordBatch])
        )

    def _collect(
        self, partition: tuple[int, Iterable[Labelled]]
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        number, blocks = partition
        by_label: dict[str, list[pa.RecordBatch]] = {}
        for label, _, batch in sorted(blocks, key=lambda block: block[:2]):
            by_label.setdefault(label, []).append(batch)
        if _ROWS not in by_label:
            return
        rows = pa.Table.from_batches(by_label.pop(_ROWS)).combine_chunks().to_batches()[0]
        rows = self.with_histories(rows, by_label)
        for start in range(0, len(rows), MAX_ROWS):
            yield block_key(number, start), rows.slice(start, MAX_ROWS)

    def with_histories(
        self, rows: pa.RecordBatch, lists: Mapping[str, list[pa.RecordBatch]]
    ) -> pa.RecordBatch:
        """The rows, all that have one of these keys, with their sequences as further columns."""
        keys = rows.column(text(self._key))
        times = rows.column(self._time).to_numpy()
        for name, history in self._histories.items():
            if not self._lengths[name]:
                continue
            events = rows
            if history.where is not None:
                events = rows.filter(rows.column(flag(history.where)))
            found = histories_of(
                keys,
                times,
                Events(
                    events.column(text(self._key)),
                    events.column(self._time).to_numpy(),
                    {column: events.column(text(column)) for column in self._columns[name]},
                ),
                self._lengths[name],
                self._earlier(lists.get(name, []), self._columns[name]),
            )
            for sequence, column in found.items():
                rows = rows.append_column(sequence, column)
        return rows

    def _earlier(self, lists: list[pa.RecordBatch], columns: Iterable[str]) -> EarlierLists | None:
        if not lists:
            return None
        table = pa.Table.from_batches(lists).combine_chunks()
        return EarlierLists(
            table[text(self._key)].combine_chunks(),
            table[UNTIL].to_numpy(),
            {column: table[text(column)].combine_chunks() for column in columns},
        )


def scatter(block: Labelled, key: str, partitions: int) -> Iterator[tuple[int, Labelled]]:
    """Cuts a block by a hash of `key` into (partition, block of its rows)."""
    label, number, rows = block
    hashes = stable_hash(pc.fill_null(rows.column(key), ""))
    where = (hashes % np.uint64(partitions)).astype(np.int64)
    ordered = rows.take(pa.array(np.argsort(where, kind="stable")))
    edges = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=partitions))])
    for partition in np.flatnonzero(np.diff(edges)).tolist():
        start, stop = int(edges[partition]), int(edges[partition + 1])
        yield partition, (label, number, ordered.slice(start, stop - start))
