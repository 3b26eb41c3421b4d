"""Histories as a Beam transform: rows and events of a key meet in one partition."""

from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
import pyarrow as pa

from features.dictionaries import with_dictionaries
from features.specs import FeatureSet, HistorySpec
from pipeline.data.blocks.block_key import MAX_ROWS, block_key
from pipeline.data.blocks.carried_columns import text
from pipeline.data.blocks.scatter import Scatter, gather
from pipeline.data.histories.event_needs import clocks, event_columns
from pipeline.data.histories.events import EVENT_TIME, counting, scaled
from pipeline.data.histories.example_histories import (
    UNTIL,
    EarlierLists,
    Events,
    Histories,
    histories_of,
)
from pipeline.data.sources.base import EventLog

_ROWS = ""  # label of rows; lists are labelled with their history, events with `_EVENTS` and name
_EVENTS = "events/"


class CollectHistories(beam.PTransform):
    """Adds the sequences of all histories that are kept by one key.

    Input: `rows`, (block key, RecordBatch); `lists`, (history, block key, RecordBatch) as
    `ReadEarlier` gives them; and `events`, (event log, block key, RecordBatch) as `ReadEvents`
    does. Output: the same rows in blocks of a partition each, (block key, RecordBatch), with a
    column of lists for each sequence. Blocks, and the order in them, do not depend on how the
    runner bundles its work.

    Args:
        features: Declares histories and sequences.
        key: Column that the histories are kept by.
        partitions: Number of partitions; one of them is in memory at a time.
        event_logs: Name -> the event log, for those that histories name.
    """

    def __init__(
        self,
        features: FeatureSet,
        key: str,
        partitions: int,
        event_logs: Mapping[str, EventLog] | None = None,
    ):
        super().__init__()
        self._lengths = {
            name: {
                spec.raw_name: (spec.column, spec.max_length)
                for spec in features.features.values()
                if spec.history == name and spec.max_length is not None
            }
            for name, history in features.histories.items()
            if history.key == key
        }
        self._histories = {
            name: features.histories[name] for name, lengths in self._lengths.items() if lengths
        }
        self._columns = {name: event_columns(features, name) for name in self._histories}
        self._clocks = {name: clocks(features, log) for name, log in (event_logs or {}).items()}
        self._key, self._partitions = key, partitions
        self._time = features.required("timestamp").raw_name

    # Beam takes annotations for type hints, and has none for several collections.
    def expand(self, inputs):  # noqa: ANN001, ANN201
        rows, lists, events = inputs
        used = {each.events for each in self._histories.values()}
        parts = (
            rows | "Rows" >> beam.MapTuple(lambda key, batch: (_ROWS, key, batch)),
            lists | "Lists" >> beam.Filter(lambda block: block[0] in self._histories),
            events
            | "Events" >> beam.Filter(lambda block: block[0] in used)
            | "Named" >> beam.MapTuple(lambda name, key, batch: (_EVENTS + name, key, batch)),
        )
        return (
            parts
            | beam.Flatten()
            # Typed throughout: Beam would pickle what it does not know, and a pickled slice is as
            # large as what it was cut from.
            | "Scatter"
            >> beam.ParDo(Scatter(self._key, self._partitions)).with_output_types(
                tuple[int, tuple[str, pa.RecordBatch]]
            )
            | "Meet" >> beam.GroupByKey()
            | "Collect" >> beam.FlatMap(self._collect).with_output_types(tuple[int, pa.RecordBatch])
        )

    def _collect(
        self, partition: tuple[int, Iterable[tuple[str, pa.RecordBatch]]]
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        number, parts = partition
        by_label = gather(parts)
        rows = by_label.pop(_ROWS, None)
        if rows is None:
            return
        histories = [
            self._history(name, history, rows, by_label)
            for name, history in self._histories.items()
        ]
        for start in range(0, len(rows), MAX_ROWS):
            block = rows.slice(start, MAX_ROWS)
            for history in histories:
                for sequence, column in history.lists(start, len(block)).items():
                    block = block.append_column(sequence, column)
            yield block_key(number, start), with_dictionaries(block)

    def _history(
        self,
        name: str,
        history: HistorySpec,
        rows: pa.RecordBatch,
        others: Mapping[str, pa.RecordBatch],
    ) -> Histories:
        """The history of all rows that have one of these keys."""
        key, columns = text(self._key), self._columns[name]
        times, of_events = rows.column(self._time).to_numpy(), self._time
        events = rows
        if history.events is not None:
            times = scaled(times, self._clocks[history.events][0])
            # Without any event there is no batch of them either: no row stands for none.
            events, of_events = others.get(_EVENTS + history.events), EVENT_TIME
        if events is None:
            nothing = {column: pa.array([], pa.string()) for column in columns}
            known_events = Events(pa.array([], pa.string()), times[:0], nothing)
        else:
            if history.conditions:
                counts = counting(events, history.where, history.unless)
                events = events.filter(pa.array(counts))
            known_events = Events(
                events.column(key),
                events.column(of_events).to_numpy(),
                {column: events.column(text(column)) for column in columns},
            )
        earlier = _earlier(others.get(name), key, columns)
        return histories_of(rows.column(key), times, known_events, self._lengths[name], earlier)


def _earlier(lists: pa.RecordBatch | None, key: str, columns: Iterable[str]) -> EarlierLists | None:
    if lists is None:
        return None
    values = {column: lists.column(text(column)) for column in columns}
    return EarlierLists(lists.column(key), lists.column(UNTIL).to_numpy(), values)
