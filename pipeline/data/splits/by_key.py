"""Rows that share a key, brought together: what needs to see all that happened to a user."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.dictionaries import with_dictionaries
from pipeline.data.blocks.block_key import MAX_ROWS, block_key
from pipeline.data.blocks.scatter import Scatter, gather


class ByKey(beam.PTransform):
    """(block key, RecordBatch) in and out; between, all rows of a key are in one batch.

    Blocks, and the order in them, do not depend on how the runner bundles its work.

    Args:
        key: Column whose equal values come together; rows have its text.
        partitions: Number of batches; one of them is in memory at a time.
        steps: What is done with each batch, one after the other: (rows in the order of the log,
            values of `sides`) -> rows.
        sides: Side inputs.
    """

    def __init__(
        self,
        key: str,
        partitions: int,
        steps: Sequence[Callable[..., pa.RecordBatch]],
        sides: Sequence[beam.pvalue.AsSideInput] = (),
    ):
        super().__init__()
        self._key, self._partitions = key, partitions
        self._steps, self._sides = tuple(steps), tuple(sides)

    def expand(self, rows):  # noqa: ANN001, ANN201  (Beam takes annotations for type hints)
        return (
            rows
            | "Unlabelled" >> beam.MapTuple(lambda key, batch: ("", key, batch))
            | "Scatter"
            >> beam.ParDo(Scatter(self._key, self._partitions)).with_output_types(
                tuple[int, tuple[str, pa.RecordBatch]]
            )
            | "Meet" >> beam.GroupByKey()
            | "Steps"
            >> beam.FlatMap(self._run, *self._sides).with_output_types(tuple[int, pa.RecordBatch])
        )

    def _run(
        self, partition: tuple[int, Iterable[tuple[str, pa.RecordBatch]]], *sides
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        number, parts = partition
        [rows] = gather(parts).values()
        for step in self._steps:
            rows = step(rows, *sides)
        for start in range(0, len(rows), MAX_ROWS):
            yield block_key(number, start), with_dictionaries(rows.slice(start, MAX_ROWS))


def codes_of(column: pa.Array) -> np.ndarray:
    """Small whole numbers, int64, that are equal where the texts are; -1 where there is none."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def ordinals(codes: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row its place among the rows of its code, in time, and how many these are.

    Rows of the same time keep their order. Both are int64 of shape (rows,).
    """
    order = np.lexsort((times, codes))  # stable
    starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
    counts = np.diff(starts, append=len(codes))
    places, totals = np.empty_like(codes), np.empty_like(codes)
    places[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    totals[order] = np.repeat(counts, counts)
    return places, totals
