"""The read side of the data job: files in, blocks of complete raw rows with their split out."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa

import pipeline.data.blocks.arrow_bytes  # noqa: F401  (how Beam encodes a RecordBatch)
from features.specs import FeatureSet
from pipeline.data.blocks.accounts import REJECTED, ROWS, ROWS_KEPT, ROWS_READ
from pipeline.data.blocks.carried_columns import (
    POSITION,
    finished,
    flag_columns,
    null_values,
    only_columns,
    text_columns,
)
from pipeline.data.blocks.spill import Spill, SpilledBlock, opened
from pipeline.data.histories.collect_histories import CollectHistories
from pipeline.data.histories.earlier_events import ReadEarlier
from pipeline.data.histories.events import ReadEvents, WantedFn
from pipeline.data.job.open_inputs import Inputs
from pipeline.data.joining.side_tables import JoinDoFn, SideTables
from pipeline.data.reading.ranges import CutFiles
from pipeline.data.reading.read_rows import ReadRows
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.base import COMPRESSED
from pipeline.data.splits.key_rules import KeyRules
from pipeline.data.splits.negatives import only_examples
from pipeline.data.splits.split import cut_block, is_history_alone, with_split_hash
from pipeline.data.splits.split_rule import SplitRule, hashes_rows

_SIDE_ROWS = 2_048
_PARTITION_BYTES = 48 << 20  # of text in a partition
_FEWEST_PARTITIONS, _MOST_PARTITIONS = 64, 65_536
_COMPRESSION = 4  # gzip and its like make logs about that much smaller
_BYTES_PER_VALUE = 8  # of rows that are computed
_REPEATED = 8  # what is no list of a session stands in each of its rows, and shares the text


Accounts = dict[str, list[beam.PCollection]]  # name of an output -> its parts


class Examples(beam.PTransform):
    """Reads the log, joins side tables, adds histories, and tells the splits apart.

    Input: a pipeline. Outputs, a dict of:

    - `blocks`: (key, split, RecordBatch); the columns of `features.raw_schema()`. The key is
      unique, and neither keys nor the order in a block depend on how the runner bundles.
    - `rejected`: dicts of table (`log`, a side table, an event log, `earlier_events`), file,
      position (line from 1, or row of a Parquet file), reason, row, and fatal: True where it is
      the reason why the rest of a file cannot be read.
    - `split`: one dict, the rule and the thresholds it came to.
    - `rows_read`: (table, rows, good or not), several times for a table: to be added up. They are
      its rejected rows and its good ones.
    - `rows_kept`: (table, good rows), also to be added up, of all tables but the log, whose good
      rows are those of the blocks; of `data.explode` its good sessions are such a table. Of a log
      of positives only: its rows that are no examples, less the negatives that were drawn.

    Args:
        inputs: From `open_inputs`, for the same features and settings.
        features: What the columns mean.
        data: Settings.
        spill: Folder where rows wait until the limits of the splits are known.
    """

    def __init__(self, inputs: Inputs, features: FeatureSet, data: DataConfig, spill: str):
        super().__init__()
        self._spill = spill
        self._inputs, self._features, self._data = inputs, features, data
        sides = [each for each in inputs.source.side_tables if each.name in inputs.side_tables]
        self._sides = sides
        self._order = [(side.name, side.key) for side in sides]
        self._texts = text_columns(features) | {side.key for side in sides}
        self._required: set[str] = set()
        if data.split.key is not None:
            self._texts.add(data.split.key)
            if data.split.by == "last":
                self._required.add(data.split.key)
        if (negatives := inputs.source.negatives) is not None:
            self._required |= {negatives.key, negatives.item}
            self._texts |= self._required
        self._rule = SplitRule(data.split, features, inputs.source, data.seed)
        self._partitions = data.history_partitions or partitions_of(inputs)

    def expand(self, pipeline):  # noqa: ANN001, ANN201  (a dict of outputs)
        inputs, split = self._inputs, self._data.split
        hashes = hashes_rows(split, inputs.source)
        reader = self._reader(keep_positions=hashes and split.key is None)
        log = pipeline | "LogFiles" >> beam.Create(inputs.log) | "Log" >> reader
        rows, tables = log[ROWS], None
        if hashes:
            rows = rows | "SplitHash" >> beam.Map(
                with_split_hash, self._data.seed, split.key
            ).with_output_types(tuple[int, pa.RecordBatch])
        accounts = {REJECTED: [log[REJECTED]], ROWS_READ: [log[ROWS_READ]]}
        accounts[ROWS_KEPT] = [log[ROWS_KEPT]] if inputs.explode else []
        negatives = inputs.source.negatives
        ruled = rows | "KeyRules" >> KeyRules(
            self._features, self._data, negatives, self._partitions
        )
        rows = ruled["rows"]
        accounts[ROWS_KEPT] += ruled[ROWS_KEPT]
        if self._sides:
            tables, schemas = self._side_tables(pipeline, accounts)
            rows = rows | "SpillForJoin" >> Spill(self._spill)
            rows = rows | "Join" >> beam.ParDo(
                JoinDoFn(self._order, schemas), tables
            ).with_output_types(tuple[int, pa.RecordBatch])
        rule = self._examples(rows, "ForRule") | "SplitRule" >> self._rule
        rows = self._histories(pipeline, rows, tables, accounts)
        rows = self._examples(rows, "OnlyExamples") | "Finish" >> beam.Map(
            finished, self._features
        ).with_output_types(tuple[int, pa.RecordBatch])
        # A rule that is known needs no side input: runners end a stage there, and move all rows.
        limits = self._rule.complete
        if limits is None:
            limits = beam.pvalue.AsSingleton(rule)
            rows = rows | "Spill" >> Spill(self._spill)
        if self._data.split.train_from is not None:
            before = rows | "BeforeTraining" >> beam.FlatMap(_history_alone, limits)
            accounts[ROWS_KEPT].append(before)
        blocks = rows | "Split" >> beam.FlatMap(cut_block, limits).with_output_types(
            tuple[int, str, pa.RecordBatch]
        )
        flat = {
            name: parts | f"All:{name}" >> beam.Flatten(pipeline=pipeline.pipeline)
            for name, parts in accounts.items()
        }
        return {"blocks": blocks, "split": rule, **flat}

    def _reader(self, keep_positions: bool) -> ReadRows:
        columns = self._inputs.columns["log"]
        return ReadRows(
            self._inputs.source.log,
            columns,
            only_columns(self._features, set(columns)),
            texts=self._texts,
            flags=sorted(flag_columns(self._features)),
            required=sorted(self._required),
            keep_positions=keep_positions,
            null_values=null_values(self._features),
            explode=self._inputs.explode,
            coded=True,
        )

    def _examples(self, rows: beam.PCollection, name: str) -> beam.PCollection:
        """The rows without those that stand for events of histories alone."""
        if self._inputs.source.negatives is None:
            return rows
        typed = tuple[int, pa.RecordBatch]
        return rows | name >> beam.Map(only_examples).with_output_types(typed)

    def _side_tables(
        self, pipeline: beam.Pipeline, accounts: Accounts
    ) -> tuple[beam.pvalue.AsDict, dict[str, pa.Schema]]:
        """The side tables as a side input, and their columns."""
        named, schemas = [], {}
        for side in self._sides:
            reader = ReadRows(
                side.file,
                self._inputs.columns[side.name],
                only_columns(self._features, set(self._inputs.columns[side.name]) - {side.key}),
                texts=self._texts,
                required=[side.key],
                keep_positions=True,
                null_values=null_values(self._features),
            )
            schemas[side.name] = reader.schema.remove(reader.schema.get_field_index(POSITION))
            files = pipeline | f"{side.name}Files" >> beam.Create(
                self._inputs.side_tables[side.name]
            )
            read = files | side.name >> reader
            accounts[REJECTED].append(read[REJECTED])
            accounts[ROWS_READ].append(read[ROWS_READ])
            named.append(read[ROWS] | f"{side.name}Named" >> beam.FlatMap(_small_parts, side.name))
        paths = {
            name: [file.path for file in files] for name, files in self._inputs.side_tables.items()
        }
        gathered = named | "SideRows" >> beam.Flatten() | SideTables(dict(self._order), paths)
        accounts[REJECTED].append(gathered[REJECTED])
        accounts[ROWS_KEPT].append(gathered[ROWS_KEPT])
        return beam.pvalue.AsDict(gathered["tables"]), schemas

    def _histories(
        self,
        pipeline: beam.Pipeline,
        rows: beam.PCollection,
        tables: beam.pvalue.AsDict | None,
        accounts: Accounts,
    ) -> beam.PCollection:
        """Adds the histories of one key after the other."""
        features, inputs = self._features, self._inputs
        if not features.histories:
            return rows
        no_lists = beam.Create([]).with_output_types(tuple[str, int, pa.RecordBatch])
        lists = pipeline | "NoLists" >> no_lists
        description = inputs.source.earlier_events
        if description is not None and inputs.earlier_events:
            files = pipeline | "EarlierFiles" >> beam.Create(inputs.earlier_events)
            reader = ReadEarlier(description, features, self._order)
            parts = files | "EarlierParts" >> CutFiles(description.file)
            read = parts | "Earlier" >> beam.ParDo(reader, tables or {}).with_outputs(
                REJECTED, ROWS_READ, ROWS_KEPT, main="lists"
            ).with_output_types(tuple[str, int, pa.RecordBatch])
            lists = read["lists"]
            for name, parts in accounts.items():
                parts.append(read[name])
        events = self._events(pipeline, rows, accounts)
        logs = {name: inputs.source.events[name] for name in inputs.events}
        for key in dict.fromkeys(history.key for history in features.histories.values()):
            collect = CollectHistories(features, key, self._partitions, logs)
            rows = (rows, lists, events) | f"HistoriesBy:{key}" >> collect
        return rows

    def _events(
        self, pipeline: beam.Pipeline, rows: beam.PCollection, accounts: Accounts
    ) -> beam.PCollection:
        """The events of event logs that some example may see."""
        no_events = beam.Create([]).with_output_types(tuple[str, int, pa.RecordBatch])
        events, wanted = [pipeline | "NoEvents" >> no_events], {}
        for name, files in self._inputs.events.items():
            log = self._inputs.source.events[name]
            if log.key not in wanted:
                combine = WantedFn(log.key, self._features.required("timestamp").raw_name)
                wanted[log.key] = beam.pvalue.AsSingleton(
                    rows | f"WantedBy:{log.key}" >> beam.CombineGlobally(combine)
                )
            columns = self._inputs.columns[name]
            reader = ReadEvents(name, log, columns, self._features, wanted[log.key])
            read = pipeline | f"{name}Files" >> beam.Create(files) | name >> reader
            events.append(read["events"])
            for account, parts in accounts.items():
                parts.append(read[account])
        return events | "AllEvents" >> beam.Flatten()


def _history_alone(
    block: tuple[int, pa.RecordBatch | SpilledBlock], rule: dict[str, Any]
) -> Iterator[tuple[str, int]]:
    """The account of the rows that no split holds."""
    yield "log", int(is_history_alone(opened(block[1]), rule).sum())


def _small_parts(
    block: tuple[int, pa.RecordBatch], name: str
) -> Iterator[tuple[str, tuple[int, pa.RecordBatch]]]:
    """A block of a side table in parts that any runner can sort; each row has a key of its own."""
    key, rows = block
    for start in range(0, len(rows), _SIDE_ROWS):
        yield name, (key + start, rows.slice(start, _SIDE_ROWS))


def partitions_of(inputs: Inputs) -> int:
    """How many partitions histories are built in: as many as keep one of them small.

    The number depends on the data alone: bundles of the same data are equal.

    Args:
        inputs: Files of log and event logs, whose rows meet in partitions.
    """
    if inputs.generated is not None:
        rows = sum(part.rows for part in inputs.generated.parts())
        size = rows * len(inputs.columns["log"]) * _BYTES_PER_VALUE
    else:
        files = [*inputs.log, *(file for files in inputs.events.values() for file in files)]
        size = sum(
            (file.size or 0) * (_COMPRESSION if file.path.endswith(COMPRESSED) else 1)
            for file in files
        )
    if inputs.explode is not None:
        size *= _REPEATED
    return min(max(-(-size // _PARTITION_BYTES), _FEWEST_PARTITIONS), _MOST_PARTITIONS)
