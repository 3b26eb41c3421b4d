"""Reads event logs, which may be far larger than the log: what no example can see goes at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from features.feature_spec import NO_NAME_HAS
from features.specs import FeatureSet, FeatureSpec
from pipeline.data.blocks.accounts import REJECTED, ROWS_KEPT, ROWS_READ
from pipeline.data.blocks.carried_columns import flag, null_values, plain_text, text
from pipeline.data.blocks.stable_hash import stable_hash
from pipeline.data.histories.event_needs import clocks, event_columns
from pipeline.data.reading.ranges import CutFiles
from pipeline.data.reading.read_rows import ReadRows
from pipeline.data.sources.base import EventLog, TextFile
from pipeline.data.sources.input_file import InputFile

EVENT_TIME = f"{NO_NAME_HAS}row/event_time"
_BITS = 24  # of the hash of a key: 2 MB, and of a million keys that nobody has, 6 % pass
_MAX_ROWS = 1 << 20  # of a block of events: there are many partitions to scatter it over
_LARGEST = np.iinfo(np.int64).max


def scaled(times: np.ndarray, factor: int) -> np.ndarray:
    """Times in a finer unit; those beyond what int64 holds become its ends."""
    limit = _LARGEST // factor
    return np.clip(times, -limit, limit) * factor


@dataclass(frozen=True)
class Wanted:
    """Which events an example may see.

    Args:
        latest: Time of the last example; None where there is none.
        keys: For each hash of a key, a bit: whether an example may have that key.
    """

    latest: int | None
    keys: np.ndarray

    def of(self, keys: pa.Array, times: np.ndarray) -> np.ndarray:
        """Whether events are before the last example and may share a key with one: bools."""
        if self.latest is None:
            return np.zeros(len(keys), bool)
        hashes = _hashes(keys)
        known = self.keys[hashes >> 3] >> (hashes & 7).astype(np.uint8) & 1
        return (times < self.latest) & known.astype(bool)


class WantedFn(beam.CombineFn):
    """Combines blocks of examples, (block key, RecordBatch), into `Wanted`.

    Args:
        key: Column that histories are kept by.
        time: Column of the examples' times.
    """

    def __init__(self, key: str, time: str):
        self._key, self._time = key, time

    def create_accumulator(self) -> Wanted:
        return Wanted(None, np.zeros(1 << _BITS - 3, np.uint8))

    def add_input(self, accumulator: Wanted, block: tuple[int, pa.RecordBatch]) -> Wanted:
        rows = block[1]
        if not len(rows):
            return accumulator
        hashes = np.unique(_hashes(plain_text(rows.column(text(self._key)))))
        np.bitwise_or.at(accumulator.keys, hashes >> 3, np.uint8(1) << (hashes & 7).astype("u1"))
        times = rows.column(self._time).to_numpy()
        return Wanted(_later(accumulator.latest, int(times.max())), accumulator.keys)

    def merge_accumulators(self, accumulators: Iterable[Wanted]) -> Wanted:
        latest, keys = None, self.create_accumulator().keys
        for part in accumulators:
            latest, keys = _later(latest, part.latest), keys | part.keys
        return Wanted(latest, keys)

    def extract_output(self, accumulator: Wanted) -> Wanted:
        return accumulator


class ReadEvents(beam.PTransform):
    """Reads the files of an event log.

    Input: `InputFile`s. Outputs: `events`, (name, block key, RecordBatch), and `rejected`,
    `rows_read` and `rows_kept` as `ReadRows` and `Examples` have them: kept counts good events,
    whether an example may see them or not.

    A batch has the text of the key and of the steps, `EVENT_TIME` in the finer of the two units,
    and the flags of conditions.

    Args:
        name: Name of the log of events.
        log: Where it lies.
        columns: Its columns that are needed.
        features: Tell the histories.
        wanted: As a side input.
    """

    def __init__(
        self,
        name: str,
        log: EventLog,
        columns: Iterable[str],
        features: FeatureSet,
        wanted: beam.pvalue.AsSingleton,
    ):
        super().__init__()
        self._name, self._log, self._wanted = name, log, wanted
        histories = {key: h for key, h in features.histories.items() if h.events == name}
        self._conditions = tuple(
            dict.fromkeys((each.where, each.unless) for each in histories.values())
        )
        texts = [log.key, *(column for key in histories for column in event_columns(features, key))]
        self._texts = tuple(dict.fromkeys(texts))
        self._flags = tuple(
            dict.fromkeys(column for each in histories.values() for column in each.conditions)
        )
        self._example_clock, self._event_clock = clocks(features, log)
        unit = log.unit or features.required("timestamp").unit
        nulls = log.file.null_values if isinstance(log.file, TextFile) else ()
        clock = FeatureSpec.model_validate(
            {
                "name": "time",
                "role": "timestamp",
                "column": log.time,
                "unit": unit,
                "null_values": nulls,
            }
        )
        self._reader = ReadRows(
            log.file,
            tuple(columns),
            features.model_copy(
                update={"features": {clock.name: clock}, "groups": {}, "histories": {}}
            ),
            texts=self._texts,
            flags=self._flags,
            required=[log.key],
            null_values=dict.fromkeys(self._texts, nulls) | null_values(features, name),
        )

    def expand(self, files):  # noqa: ANN001, ANN201  (several outputs)
        return (
            files
            | "Parts" >> CutFiles(self._log.file)
            | "Read"
            >> beam.FlatMap(self._read, self._wanted)
            .with_outputs(REJECTED, ROWS_READ, ROWS_KEPT, main="events")
            .with_output_types(tuple[str, int, pa.RecordBatch])
        )

    def _read(self, file: InputFile, wanted: Wanted) -> Iterator[Any]:
        waiting: list[tuple[int, pa.RecordBatch]] = []
        for output in self._reader.read(file):
            if isinstance(output, beam.pvalue.TaggedOutput):
                yield output
                continue
            key, rows = output
            yield beam.pvalue.TaggedOutput(ROWS_KEPT, (self._name, len(rows)))
            waiting.append((key, self._seen(rows, wanted)))
            if sum(len(each) for _, each in waiting) >= _MAX_ROWS:
                yield from self._gathered(waiting)
                waiting = []
        yield from self._gathered(waiting)

    def _seen(self, rows: pa.RecordBatch, wanted: Wanted) -> pa.RecordBatch:
        """The events that an example may see, with the columns that histories need."""
        columns = {text(name): plain_text(rows.column(text(name))) for name in self._texts}
        columns |= {flag(name): rows.column(flag(name)) for name in self._flags}
        times = scaled(rows.column(self._log.time).to_numpy(), self._event_clock)
        columns[EVENT_TIME] = pa.array(times)
        if wanted.latest is not None:
            latest = scaled(np.array([wanted.latest]), self._example_clock)[0]
            wanted = Wanted(int(latest), wanted.keys)
        seen = wanted.of(columns[text(self._log.key)], times)
        events = pa.RecordBatch.from_pydict(columns)
        seen &= np.any([counting(events, *each) for each in self._conditions], axis=0)
        return events.filter(pa.array(seen))

    def _gathered(self, waiting: list[tuple[int, pa.RecordBatch]]) -> Iterator[Any]:
        if any(len(rows) for _, rows in waiting):
            rows = pa.Table.from_batches([rows for _, rows in waiting]).combine_chunks()
            yield self._name, waiting[0][0], rows.to_batches()[0]


def counting(events: pa.RecordBatch, where: str | None, unless: str | None) -> np.ndarray:
    """Whether events meet the conditions of a history: bools of shape (events,)."""
    count = np.ones(len(events), bool)
    if where is not None:
        count &= events.column(flag(where)).to_numpy(zero_copy_only=False)
    if unless is not None:
        count &= ~events.column(flag(unless)).to_numpy(zero_copy_only=False)
    return count


def _hashes(keys: pa.Array) -> np.ndarray:
    return (stable_hash(keys.fill_null("")) >> np.uint64(64 - _BITS)).astype(np.int64)


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
