"""Rows that are computed instead of read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class GeneratedRows:
    """A log without files: row n of a seed is the same whoever computes it, whatever the block.

    Args:
        columns: Names of all columns.
        rows_of: (seed, first row from 0, number of rows, names of columns) -> those columns, as
            text.
        statistics_of: (seed, number of rows) -> what is known of them, for the statistics of a
            bundle.
        version: Changes whenever the rows of a seed do, so that no older bundle is reused.
        part_rows: Rows that one worker makes without another's help.
        rows: How many there are; `data.rows` sets it.
        seed: `data.seed` sets it.
    """

    columns: tuple[str, ...]
    rows_of: Callable[[int, int, int, tuple[str, ...]], pa.RecordBatch]
    statistics_of: Callable[[int, int], Mapping[str, Any]]
    version: int
    part_rows: int = 65_536
    rows: int = 0
    seed: int = 0
