"""Rows that could not be read: all counted, the first ones kept, in the order of the input."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam

from features.config import StrictModel
from pipeline.system.files import write_text

MAX_KEPT = 100_000
_KEYS = ("table", "file", "position", "reason", "row")

Row = Mapping[str, Any]  # table, file, position, reason, row, fatal
# Table -> rows, reasons that are fatal, table -> rows kept so far.
Accumulator = tuple[dict[str, int], set[str], dict[str, list[Row]]]


class Rejected(StrictModel):
    """What was rejected.

    Args:
        rows: Table -> rows of it that could not be used.
        fatal: Reasons why the job cannot go on, such as a damaged file.
        kept: The first `MAX_KEPT` rows of each table, by table, file and position: a wrong
            delimiter in a large file must not fill the memory.
    """

    rows: dict[str, int] = {}
    fatal: tuple[str, ...] = ()
    kept: tuple[dict[str, Any], ...] = ()

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def first(self) -> dict[str, dict[str, Any]]:
        """Table -> its first row."""
        return {row["table"]: row for row in reversed(self.kept)}

    def lines(self) -> str:
        """The kept rows as JSON lines.

        Files are named without their folder: bundles of the same data, wherever it lies, are equal.
        """
        rows = ({**row, "file": os.path.basename(row["file"])} for row in self.kept)
        return "".join(
            json.dumps({key: row[key] for key in _KEYS}, ensure_ascii=False) + "\n" for row in rows
        )


class CollectRejected(beam.CombineFn):
    """Combines rejected rows, and fatal problems among them, into one `Rejected`."""

    def __init__(self, max_kept: int = MAX_KEPT):
        self._max_kept = max_kept

    def create_accumulator(self) -> Accumulator:
        return {}, set(), {}

    def add_input(self, accumulator: Accumulator, row: Row) -> Accumulator:
        counts, fatal, kept = accumulator
        if row.get("fatal"):
            fatal.add(row["reason"])
            return accumulator
        table = row["table"]
        counts[table] = counts.get(table, 0) + 1
        kept.setdefault(table, []).append(row)
        if len(kept[table]) >= 2 * self._max_kept:
            kept[table] = self._first(kept[table])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Accumulator]) -> Accumulator:
        counts, fatal, kept = self.create_accumulator()
        for other_counts, other_fatal, other_kept in accumulators:
            for table, count in other_counts.items():
                counts[table] = counts.get(table, 0) + count
            fatal |= other_fatal
            for table, rows in other_kept.items():
                kept[table] = self._first([*kept.get(table, []), *rows])
        return counts, fatal, kept

    def extract_output(self, accumulator: Accumulator) -> Rejected:
        counts, fatal, kept = accumulator
        return Rejected(
            rows=dict(sorted(counts.items())),
            fatal=tuple(sorted(fatal)),
            kept=tuple(dict(row) for _, rows in sorted(kept.items()) for row in self._first(rows)),
        )

    def _first(self, rows: list[Row]) -> list[Row]:
        return sorted(rows, key=_place)[: self._max_kept]


def _place(row: Row) -> tuple:
    return row["file"], row["position"], row["reason"]


def write_rejected(path: str, rejected: Rejected) -> None:
    """Writes the kept rows as JSON lines."""
    write_text(path, rejected.lines())
