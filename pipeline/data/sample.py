"""Some raw rows of the test split, kept in the bundle: exports are verified and shown with them."""

import json
from collections.abc import Iterator, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa

Candidate = tuple[int, str]  # priority, row as JSON


class SampleRows(beam.PTransform):
    """Blocks of raw rows in; one list out: up to `size` rows of a split, as JSON objects.

    Every row gets a random priority from (seed, block key), and those of the least priority are
    kept: a uniform sample that does not depend on the runner's bundling.

    Args:
        split: Which rows.
        size: Most rows.
        seed: Of the priorities.
    """

    def __init__(self, split: str, size: int, seed: int):
        super().__init__()
        self._split = split
        self._size = size
        self._seed = seed

    def expand(self, blocks):  # noqa: ANN201
        return (
            blocks
            | "Candidates" >> beam.FlatMap(_candidates, self._split, self._size, self._seed)
            | "Least" >> beam.combiners.Top.Smallest(self._size)
            | "Rows" >> beam.Map(lambda kept: [row for _, row in kept])
        )


def _candidates(
    block: tuple[int, str, pa.RecordBatch], split: str, size: int, seed: int
) -> Iterator[Candidate]:
    key, block_split, rows = block
    if block_split == split:
        yield from sample_block(rows, size, [seed, key])


def sample_block(rows: pa.RecordBatch, size: int, seed: Sequence[int]) -> list[Candidate]:
    """The `size` rows of a block with the least random priorities.

    Missing values are left out of the JSON.
    """
    priorities = np.random.default_rng(seed).integers(0, 2**62, rows.num_rows)
    chosen = np.argsort(priorities)[:size]
    return [
        (int(priorities[index]), json.dumps(_present(row), ensure_ascii=False))
        for index, row in zip(chosen, rows.take(pa.array(chosen)).to_pylist(), strict=True)
    ]


def _present(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}
