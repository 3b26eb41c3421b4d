"""Random rows in the layout of Criteo's train.txt, for benchmarks of the data job.

python -m benchmarks.data_job.criteo_rows 1000000 FOLDER/train.txt
"""

import sys
from pathlib import Path

import numpy as np

# About as many distinct tokens as the columns C1 to C26 of the real 45.8 million rows have.
_TOKENS = (1460, 583, 3_000_000, 700_000, 305, 24, 12_517, 633, 3, 93_145, 5_683, 2_500_000, 3_194)
_TOKENS += (27, 14_992, 1_500_000, 10, 5_652, 2_173, 4, 2_000_000, 18, 15, 286_181, 105, 142_572)
_COUNTS = 13
_ROWS_AT_ONCE = 50_000


def write_rows(path: Path, rows: int, seed: int = 0) -> None:
    """Label, 13 counts, 26 tokens of 8 hexadecimal digits; a tenth of the counts is missing."""
    rng = np.random.default_rng(seed)
    with open(path, "w", encoding="ascii") as file:
        for start in range(0, rows, _ROWS_AT_ONCE):
            size = min(_ROWS_AT_ONCE, rows - start)
            columns = [np.char.mod("%d", rng.random(size) < 0.25)]
            for _ in range(_COUNTS):
                counts = rng.lognormal(2.0, 2.0, size).astype(np.int64)
                columns.append(_with_gaps(np.char.mod("%d", counts), 0.1, rng))
            for distinct in _TOKENS:
                place = (distinct * rng.random(size) ** 3).astype(np.int64)  # few are frequent
                token = (place + distinct) * 2_654_435_761 % 2**32
                columns.append(_with_gaps(np.char.mod("%08x", token), 0.03, rng))
            file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def _with_gaps(values: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(values)) < share, "", values)


if __name__ == "__main__":
    write_rows(Path(sys.argv[2]), int(sys.argv[1]))
