"""Some raw rows of one split, kept in the bundle: exports are verified and shown with them."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.data.blocks.dictionaries import with_dictionaries


class Candidate(NamedTuple):
    """A row that may stay.

    Args:
        priority: The less, the better.
        block: Key of the block that it is from.
        rows: The rows of that block that may stay.
        place: Of the row in `rows`.
    """

    priority: int
    block: int
    rows: pa.RecordBatch
    place: int

    def row(self) -> dict[str, Any]:
        """The row by column."""
        return self.rows.slice(self.place, 1).to_pylist()[0]


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
    """Keeps the rows of least priority; only rows that stay to the end are turned into JSON."""

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
            chosen = chosen[priorities[chosen] < kept[-1].priority]
        if not len(chosen):
            return kept
        few = with_dictionaries(rows.take(pa.array(chosen)))
        candidates = [
            Candidate(int(priorities[row]), key, few, place) for place, row in enumerate(chosen)
        ]
        return self._least(kept + candidates)

    def merge_accumulators(self, accumulators: Iterable[list[Candidate]]) -> list[Candidate]:
        return self._least([each for kept in accumulators for each in kept])

    def extract_output(self, kept: list[Candidate]) -> list[str]:
        return [json.dumps(_present(each.row()), ensure_ascii=False) for each in kept]

    def _least(self, candidates: list[Candidate]) -> list[Candidate]:
        candidates.sort(key=lambda each: (each.priority, each.block, each.place))
        return candidates[: self._size]


def _present(row: dict) -> dict:
    return {name: value for name, value in row.items() if value is not None}
