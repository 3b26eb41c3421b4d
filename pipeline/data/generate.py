"""Blocks of a generated log, as a reader of files would give them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.data.read import MAX_ROWS, RowBlock
from pipeline.data.sources.generated import GeneratedRows


def num_parts(log: GeneratedRows) -> int:
    """Into how many parts the rows are cut, the last of which may be shorter."""
    return -(-log.rows // log.part_rows)


def generate_blocks(log: GeneratedRows, part: int, wanted: tuple[str, ...]) -> Iterator[RowBlock]:
    """The rows of a part; positions are row numbers, from 1, of the whole log.

    Args:
        log: With its number of rows and its seed.
        part: From 0.
        wanted: Columns to compute.
    """
    first, stop = part * log.part_rows, min((part + 1) * log.part_rows, log.rows)
    for start in range(first, stop, MAX_ROWS):
        count = min(MAX_ROWS, stop - start)
        rows = log.rows_of(log.seed, start, count, wanted)
        positions = np.arange(start + 1, start + count + 1)
        yield RowBlock(start, rows, positions, [], _text_of(rows, start))


def _text_of(rows: pa.RecordBatch, start: int):
    return lambda position: str(rows.slice(position - 1 - start, 1).to_pylist()[0])
