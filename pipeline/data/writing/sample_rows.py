"""Some raw rows of one split, kept in the bundle: exports are verified and shown with them."""

import json
from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import pyarrow as pa

Candidate = tuple[int, str]  # priority, row as JSON


class SampleRows(beam.PTransform):
    """Blocks of raw rows in; one list out: up to `size` rows of a split, as JSON objects.

    Every row gets a random priority from (seed, block key), and those of the least priority are
    kept: a uniform sample that does not depend on the runner's bundling. Missing values are left
    out of the JSON.

    Args:
        split: Which rows.
        size: Most rows.
        seed: Seed of the priorities.
    """

    def __init__(self, split: str, size: int, seed: int):
        super().__init__()
        self._split = split
        self._least = LeastRows(size, seed)

    def expand(self, blocks):  # noqa: ANN001, ANN201
        return (
            blocks
            | "OfSplit" >> beam.Filter(lambda block: block[1] == self._split)
            | "Least" >> beam.CombineGlobally(self._least)
        )


class LeastRows(beam.CombineFn):
    """Keeps the rows of least priority; only rows that may stay are turned into JSON."""

    def __init__(self, size: int, seed: int):
        self._size = size
        self._seed = seed

    def create_accumulator(self) -> list[Candidate]:
        return []

    def add_input(
        self, kept: list[Candidate], block: tuple[int, str, pa.RecordBatch]
    ) -> list[Candidate]:
        key, _, rows = block
        rng = np.random.default_rng([self._seed, key])
        priorities = rng.integers(0, 2**62, rows.num_rows)
        chosen = np.argsort(priorities)[: self._size]
        if len(kept) == self._size:
            chosen = chosen[priorities[chosen] < kept[-1][0]]
        candidates = [
            (int(priorities[index]), json.dumps(_present(row), ensure_ascii=False))
            for index, row in zip(chosen, rows.take(pa.array(chosen)).to_pylist(), strict=True)
        ]
        return self._least(kept + candidates)

    def merge_accumulators(self, accumulators: Iterable[list[Candidate]]) -> list[Candidate]:
        return self._least([each for kept in accumulators for each in kept])

    def extract_output(self, kept: list[Candidate]) -> list[str]:
        return [row for _, row in kept]

    def _least(self, candidates: list[Candidate]) -> list[Candidate]:
        return sorted(candidates)[: self._size]


def _present(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}
