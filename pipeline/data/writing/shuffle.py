"""The global shuffle: every row lands in a random shard, and at a random place inside it.

Rows travel as sub-blocks (the rows of one block that go to one shard), hundreds of times fewer
elements than rows. Which row goes where follows from the seed, the key of its block and its place
in it; so the result does not depend on how a runner bundles, orders or retries the work.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.data.analysis.analyse import Fitted
from pipeline.data.blocks.arrow_bytes import from_bytes, to_bytes

ShardKey = tuple[str, int]  # split, shard
SubBlock = tuple[int, bytes]  # key of the block that the rows come from, the rows

_SCATTER, _PERMUTE = 0, 1  # purposes of the generators: no two may share a stream


@dataclass(frozen=True)
class ShuffleConfig:
    """Seed of the shuffle, and the rows that a shard holds on average."""

    seed: int
    rows_per_shard: int

    def shards(self, rows: int) -> int:
        """Number of shards of a split."""
        return -(-rows // self.rows_per_shard)


def scatter(
    batch: pa.RecordBatch, split: str, key: int, shards: int, seed: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Sends each row of a block to a shard of its own choice, all equally likely.

    Yields:
        Shard and its rows, in the order they have in the block; shards without rows are left out.
    """
    rng = np.random.default_rng([_SCATTER, seed, _split_seed(split), key])
    shard_of_row = rng.integers(shards, size=batch.num_rows)
    order = np.argsort(shard_of_row, kind="stable")
    by_shard = batch.take(pa.array(order))
    ends = np.cumsum(np.bincount(shard_of_row, minlength=shards))
    for shard, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if end > start:
            yield shard, by_shard.slice(start, end - start)


def gather(
    sub_blocks: Iterable[SubBlock], schema: pa.Schema, split: str, shard: int, seed: int
) -> pa.RecordBatch:
    """Puts the rows of a shard together, in an order drawn from all orders alike."""
    in_order = sorted(sub_blocks, key=lambda sub_block: sub_block[0])
    batches = [from_bytes(data, schema) for _, data in in_order if data]
    table = pa.Table.from_batches(batches, schema)
    rng = np.random.default_rng([_PERMUTE, seed, _split_seed(split), shard])
    order = rng.permutation(table.num_rows)
    rows = table.take(pa.array(order, pa.int64())).combine_chunks().to_batches()
    return rows[0] if rows else pa.RecordBatch.from_pylist([], schema)


def _split_seed(split: str) -> int:
    return zlib.crc32(split.encode())


def sub_blocks(
    batch: pa.RecordBatch, split: str, key: int, config: ShuffleConfig, fitted: Fitted
) -> Iterator[tuple[ShardKey, SubBlock]]:
    """The parts of a block that go to one shard each, as they travel."""
    for shard, part in scatter(batch, split, key, config.shards(fitted.rows[split]), config.seed):
        yield (split, shard), (key, to_bytes(part))


class Shuffle(beam.PTransform):
    """What `sub_blocks` yields in; ((split, shard), sub-blocks) out.

    Every shard of every split that has rows comes out, also one that no row chose.

    Args:
        config: Seed and size of the shards.
        fitted: Singleton side input, `Fitted`: how many rows each split has.
    """

    def __init__(self, config: ShuffleConfig, fitted: beam.pvalue.AsSideInput):
        super().__init__()
        self._config = config
        self._fitted = fitted

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        empty = (
            parts.pipeline
            | "Once" >> beam.Create([None])
            | "EveryShard"
            >> beam.FlatMap(_empty_sub_blocks, self._config, self._fitted).with_output_types(
                tuple[ShardKey, SubBlock]
            )
        )
        return (parts, empty) | beam.Flatten() | beam.GroupByKey()


def _empty_sub_blocks(
    _: None, config: ShuffleConfig, fitted: Fitted
) -> Iterator[tuple[ShardKey, SubBlock]]:
    if fitted.problems:
        return
    for split, count in fitted.rows.items():
        for shard in range(config.shards(count)):
            yield (split, shard), (-1, b"")  # no rows, but the shard exists
