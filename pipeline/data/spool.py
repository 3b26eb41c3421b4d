"""Blocks that wait on disk, not in memory, until a later stage of the job reads them again.

Runners keep what waits for a side input; the local one keeps it in memory, several times over.
"""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.transforms.window import GlobalWindows

from pipeline.data.arrow_bytes import RecordBatchCoder

_CODER = RecordBatchCoder()


class Spool(beam.PTransform):
    """Tuples that end in a RecordBatch in; the same out, in no particular order, from files.

    The files are removed with their folder, by whoever made it. A retried bundle leaves files
    that nobody reads.

    Args:
        folder: Where the files go; all workers must see it.
    """

    def __init__(self, folder: str):
        super().__init__()
        self._folder = folder

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return (
            blocks
            | "Write" >> beam.ParDo(WriteSpool(self._folder))
            | "Wait" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(ReadSpool()).with_output_types(blocks.element_type)
        )


class WriteSpool(beam.DoFn):
    """Writes the blocks of a bundle to one file, then tells the place of each."""

    def __init__(self, folder: str):
        self._folder = folder

    def start_bundle(self) -> None:
        self._file = None
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
        self._places.append((*labels, (self._path, self._size, len(data))))
        self._size += len(data)

    def finish_bundle(self) -> Iterator:
        if self._file is not None:
            self._file.close()
        for place in self._places:  # only now is the file complete, whoever reads it
            yield GlobalWindows.windowed_value_at_end_of_window(place)


class ReadSpool(beam.DoFn):
    """Reads blocks from their places."""

    def start_bundle(self) -> None:
        self._path, self._file = "", None

    def process(self, element: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        *labels, (path, first, size) = element
        if path != self._path:
            self.finish_bundle()
            self._path, self._file = path, tf.io.gfile.GFile(path, "rb")
        self._file.seek(first)
        yield *labels, _CODER.decode(self._file.read(size))

    def finish_bundle(self) -> None:
        if self._file is not None:
            self._file.close()
