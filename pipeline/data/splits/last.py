"""Leave-last-out: the latest rows of each key are set apart for validation and test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from features.bundle import SPLITS
from pipeline.data.blocks.carried_columns import SPLIT, text
from pipeline.data.splits.by_key import codes_of, ordinals


@dataclass(frozen=True)
class LeaveLastOut:
    """Adds `SPLIT`: the last row of each key is test, and the one before it valid.

    Args:
        key: Column, carried as text.
        time: Name of the typed column.
        clean: Otherwise the row before the last is trained on.
    """

    key: str
    time: str
    clean: bool

    def __call__(self, rows: pa.RecordBatch, *_: Any) -> pa.RecordBatch:
        """The rows, all of their keys, in the order of the log, which decides at equal times."""
        codes = codes_of(rows.column(text(self.key)))
        places, totals = ordinals(codes, rows.column(self.time).to_numpy())
        from_end = totals - 1 - places
        split = np.full(len(rows), SPLITS.index("train"), np.int8)
        split[from_end == 0] = SPLITS.index("test")
        if self.clean:
            split[from_end == 1] = SPLITS.index("valid")
        return rows.append_column(SPLIT, pa.array(split))
