"""Blocks of a log that comes in parts, as a reader of files would give them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading.read import RowBlock
from pipeline.data.sources.parts import RowParts


def num_parts(log: RowParts) -> int:
    """Into how many parts the rows are cut, the last of which may be shorter."""
    return len(log.parts())


def generate_blocks(log: RowParts, part: int, wanted: tuple[str, ...]) -> Iterator[RowBlock]:
    """The rows of a part; positions are row numbers, from 1, of what the part is cut from.

    Args:
        log: As `RowParts.configured` returned it.
        part: From 0.
        wanted: Columns to compute or read.
    """
    start = log.parts()[part].first
    for rows in log.blocks(part, wanted, MAX_ROWS):
        positions = np.arange(start + 1, start + len(rows) + 1)
        yield RowBlock(start, rows, positions, [], _text_of(rows, start))
        start += len(rows)


def _text_of(rows: pa.RecordBatch, start: int):
    return lambda position: str(rows.slice(position - 1 - start, 1).to_pylist()[0])
