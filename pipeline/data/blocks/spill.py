"""Blocks that wait on disk, not in memory, until a later stage of the job reads them again.

Runners keep what waits for a side input, the local one in memory.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows

from pipeline.data.blocks.arrow_bytes import RecordBatchCoder

_CODER = RecordBatchCoder()


@dataclass(frozen=True)
class SpilledBlock:
    """Where a block lies.

    Args:
        path: The file.
        first: Its first byte there.
        size: Its bytes.
    """

    path: str
    first: int
    size: int

    def read(self) -> pa.RecordBatch:
        with tf.io.gfile.GFile(self.path, "rb") as file:
            file.seek(self.first)
            return _CODER.decode(file.read(self.size))


def opened(block: pa.RecordBatch | SpilledBlock) -> pa.RecordBatch:
    """The rows of a block, wherever they are."""
    return block.read() if isinstance(block, SpilledBlock) else block


class Spill(beam.PTransform):
    """Tuples that end in a RecordBatch in; the same with a `SpilledBlock` out, in any order.

    Whoever needs the rows opens it himself: portable runners end a stage before each step with a
    side input, and would move what a step of ours had read there through their own memory.

    The files are removed with their folder, by whoever made it. A retried bundle leaves files
    that nobody reads.

    Args:
        folder: Where the files go; all workers must see it.
    """

    def __init__(self, folder: str):
        super().__init__()
        self._folder = folder

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | "Write" >> beam.ParDo(WriteSpill(self._folder)) | beam.Reshuffle()


class WriteSpill(beam.DoFn):
    """Writes the blocks of a bundle to one file, then tells the place of each."""

    def __init__(self, folder: str):
        self._folder = folder

    def start_bundle(self) -> None:
        self._file: Any = None
        self._places: list[tuple[Any, ...]] = []

    def process(self, element: tuple[Any, ...]) -> None:
        *labels, batch = element
        if self._file is None:
            tf.io.gfile.makedirs(self._folder)
            self._path = os.path.join(self._folder, f"{uuid.uuid4().hex}.blocks")
            self._file = tf.io.gfile.GFile(self._path, "wb")
            self._size = 0
        data = _CODER.encode(batch)
        self._file.write(data)
        self._places.append((*labels, SpilledBlock(self._path, self._size, len(data))))
        self._size += len(data)

    def finish_bundle(self) -> Iterator:
        if self._file is not None:
            self._file.close()
        for place in self._places:  # only now is the file complete, whoever reads it
            yield GlobalWindows.windowed_value_at_end_of_window(place)
