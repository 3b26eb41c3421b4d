"""Shards as TFRecord files, each complete under its name or absent."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf

from features.bundle import FileEntry, file_entry
from features.columns import Column
from features.records import encode_block, encode_rows
from pipeline.data.analysis.analyse import Fitted
from pipeline.data.writing.encoded import schema_of, to_arrays
from pipeline.data.writing.shuffle import ShardKey, ShuffleConfig, SubBlock, gather
from pipeline.system.files import write_complete

_ROWS_ENCODED_AT_ONCE = 4096


def shard_name(split: str, shard: int, shards: int) -> str:
    """File name of a shard, such as train-00000-of-00008.tfrecord."""
    return f"{split}-{shard:05d}-of-{shards:05d}.tfrecord"


def records_of(
    rows: pa.RecordBatch,
    columns: Sequence[Column],
    layout: Literal["block", "row"],
    block_rows: int,
) -> Iterator[bytes]:
    """Serializes rows in their order: a record for `block_rows` of them, or one for each."""
    step = block_rows if layout == "block" else _ROWS_ENCODED_AT_ONCE
    for start in range(0, rows.num_rows, step):
        arrays = to_arrays(rows.slice(start, step), columns)
        if layout == "block":
            yield encode_block(arrays, columns)
        else:
            yield from encode_rows(arrays, columns)


class WriteShard(beam.DoFn):
    """((split, shard), sub-blocks) in; file written; (file name, `FileEntry`) out.

    Args:
        folder: Where the files go.
        columns: What the records hold.
        layout: `block` or `row`.
        block_rows: Rows of a record in layout `block`.
        config: How the rows were shuffled.
    """

    def __init__(
        self,
        folder: str,
        columns: Sequence[Column],
        layout: Literal["block", "row"],
        block_rows: int,
        config: ShuffleConfig,
    ):
        self._folder = folder
        self._columns = tuple(columns)
        self._layout = layout
        self._block_rows = block_rows
        self._config = config

    def process(
        self, element: tuple[ShardKey, Iterable[SubBlock]], fitted: Fitted
    ) -> Iterator[tuple[str, FileEntry]]:
        (split, shard), sub_blocks = element
        schema = schema_of(self._columns)
        rows = gather(sub_blocks, schema, split, shard, self._config.seed)
        name = shard_name(split, shard, self._config.shards(fitted.rows[split]))
        path = os.path.join(self._folder, name)

        def write(temporary: str) -> None:
            with tf.io.TFRecordWriter(temporary) as writer:
                for record in records_of(rows, self._columns, self._layout, self._block_rows):
                    writer.write(record)

        write_complete(path, write)
        yield name, file_entry(path, rows.num_rows)
