"""Rows that are computed instead of read."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from features.bundle import FileEntry
from features.errors import ConfigError
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.parts import Part, RowParts


@dataclass(frozen=True)
class GeneratedRows(RowParts):
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

    def configured(self, name: str, data: DataConfig) -> "GeneratedRows":
        if data.rows is None or data.path is not None or data.log is not None:
            got = f"rows={data.rows}, path={data.path}, log={data.log}"
            raise ConfigError(
                f"data.source={name!r} is generated: it needs data.rows, the number of rows, and "
                f"has no files. Received: {got}. Set data.rows, and remove path and log."
            )
        return replace(self, rows=data.rows, seed=data.seed)

    def parts(self) -> tuple[Part, ...]:
        starts = range(0, self.rows, self.part_rows)
        return tuple(
            Part(f"part {number}", first, min(self.part_rows, self.rows - first))
            for number, first in enumerate(starts)
        )

    def blocks(self, part: int, wanted: tuple[str, ...], size: int) -> Iterator[pa.RecordBatch]:
        here = self.parts()[part]
        stop = here.first + here.rows
        for start in range(here.first, stop, size):
            yield self.rows_of(self.seed, start, min(size, stop - start), wanted)

    def contents(self, name: str) -> Mapping[str, FileEntry]:
        version = f"{name} version {self.version}"
        digest = hashlib.sha256(version.encode()).hexdigest()
        return {version: FileEntry(size=0, sha256=digest, rows=self.rows)}

    def known(self) -> Mapping[str, Any]:
        return self.statistics_of(self.seed, self.rows)
