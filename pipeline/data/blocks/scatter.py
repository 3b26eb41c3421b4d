"""Rows to partitions by a hash of their key, and together again inside each."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from features.errors import DataError
from features.feature_spec import NO_NAME_HAS
from pipeline.data.blocks.carried_columns import text
from pipeline.data.blocks.stable_hash import stable_hash

Labelled = tuple[str, int, pa.RecordBatch]
BLOCK = f"{NO_NAME_HAS}row/block"  # column with the key of the block that a row came in
_ROWS_PER_PART = 256  # on average: each part of a block has a schema of its own to carry
_MAX_BYTES = 128 << 20


class Scatter(beam.DoFn):
    """(label, block key, RecordBatch) in; (partition, (label, RecordBatch)) out, for `gather`.

    Blocks wait for each other, up to the end of a bundle, so that their parts are worth sending
    to many partitions. Rows carry the key of their block, and so keep their order.

    Args:
        key: Column whose equal values come together; rows have its text.
        partitions: Number of partitions.
    """

    def __init__(self, key: str, partitions: int):
        self._key, self._partitions = text(key), partitions

    def start_bundle(self) -> None:
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._rows = self._bytes = 0

    def process(self, block: Labelled) -> Iterator[tuple[int, tuple[str, pa.RecordBatch]]]:
        label, number, rows = block
        rows = rows.append_column(BLOCK, pa.array(np.full(len(rows), number)))
        self._waiting.setdefault(label, []).append(rows)
        self._rows, self._bytes = self._rows + len(rows), self._bytes + rows.nbytes
        if self._rows >= _ROWS_PER_PART * self._partitions or self._bytes >= _MAX_BYTES:
            yield from self._cut()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for part in self._cut():
            yield GlobalWindows.windowed_value_at_end_of_window(part)

    def _cut(self) -> Iterator[tuple[int, tuple[str, pa.RecordBatch]]]:
        waiting = self._waiting
        self.start_bundle()
        for label, blocks in waiting.items():
            # Of a dictionary each part would carry the whole.
            rows = _joined(_plain(pa.Table.from_batches(blocks)))
            hashes = stable_hash(pc.fill_null(rows.column(self._key), ""))
            where = (hashes % np.uint64(self._partitions)).astype(np.int64)
            rows = rows.take(pa.array(np.argsort(where, kind="stable")))
            counts = np.bincount(where, minlength=self._partitions)
            starts = np.cumsum(counts) - counts
            for partition in np.flatnonzero(counts).tolist():
                part = rows.slice(int(starts[partition]), int(counts[partition]))
                yield partition, (label, part)


def gather(parts: Iterable[tuple[str, pa.RecordBatch]]) -> dict[str, pa.RecordBatch]:
    """The parts of a partition: label -> all its rows, in the order of their blocks.

    Raises:
        DataError: They are more than Arrow holds in one array.
    """
    by_label: dict[str, list[pa.RecordBatch]] = {}
    for label, part in parts:
        by_label.setdefault(label, []).append(part)
    gathered = {}
    while by_label:
        label, batches = by_label.popitem()
        rows = _joined(pa.Table.from_batches(batches))
        order = np.argsort(rows.column(BLOCK).to_numpy(), kind="stable")
        gathered[label] = rows.drop_columns([BLOCK]).take(pa.array(order))
    return gathered


def _joined(table: pa.Table) -> pa.RecordBatch:
    try:
        columns = [column.combine_chunks() for column in table.columns]
    except pa.ArrowInvalid as error:  # offsets of text and lists are 32 bits wide
        raise DataError(
            f"{table.num_rows:,} rows whose keys fall into the same part have more than 2 GB of "
            "text in a column. Raise data.history_partitions."
        ) from error
    return pa.RecordBatch.from_arrays(columns, names=table.column_names)


def _plain(table: pa.Table) -> pa.Table:
    """Strings, and lists of strings, in place of dictionaries."""
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        elif pa.types.is_list(kind) and pa.types.is_dictionary(kind.value_type):
            kind = pa.list_(kind.value_type.value_type)
        fields.append(field.with_type(kind))
    return table.cast(pa.schema(fields))
