"""ORC files: their columns, and their stripes in batches that do not depend on who reads them."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.orc as orc

from features.raw_texts import has_text
from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading.parquet_columns import groups_of


def orc_names(stream: BinaryIO, can_be_read: bool = True) -> tuple[str, ...]:
    """Columns of an ORC file that hold a value a row or a list of them, or the others.

    Raises:
        OSError: It is none, or damaged.
        ArrowException: The same.
    """
    schema = orc.ORCFile(stream).schema
    return tuple(each.name for each in schema if has_text(each.type) == can_be_read)


def read_orc(
    stream: BinaryIO, columns: Sequence[str], start: int, stop: int | None, rows_before: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Reads stripes: (rows before them in the file, at most `MAX_ROWS` rows of the columns).

    Neighbouring stripes are read together until they have `MAX_ROWS` rows, as `part_starts` cuts.

    Args:
        stream: The file.
        columns: Columns to read.
        start: First stripe.
        stop: First stripe behind the part; None reads to the end.
        rows_before: Rows of the stripes before `start`.

    Raises:
        OSError: It is damaged.
        ArrowException: The same.
    """
    file = orc.ORCFile(stream)
    row, waiting, together = rows_before, [], 0
    last = (file.nstripes if stop is None else stop) - 1
    for stripe in range(start, last + 1):
        batch = file.read_stripe(stripe, list(columns))
        waiting.append(batch.select(list(columns)))  # which comes in the order of the file
        together += batch.num_rows
        if together < MAX_ROWS and stripe < last:
            continue
        table = pa.Table.from_batches(waiting).combine_chunks()
        for first in range(0, together, MAX_ROWS):
            rows = table.slice(first, MAX_ROWS).combine_chunks().to_batches()[0]
            yield row + first, rows
        row, waiting, together = row + together, [], 0


def part_starts(stream: BinaryIO, part_bytes: int) -> list[tuple[int, int]]:
    """Where to cut a file: (stripe, rows before it) of each part; the first is (0, 0).

    Args:
        stream: The file.
        part_bytes: Bytes of a part, about.
    """
    file = orc.ORCFile(stream)
    if file.file_length <= part_bytes or file.nstripes < 2:
        return [(0, 0)]
    column = file.schema.names[:1]
    counts = [file.read_stripe(index, column).num_rows for index in range(file.nstripes)]
    groups = groups_of(counts, MAX_ROWS)
    a_row = file.file_length / max(sum(counts), 1)
    sizes = [round(a_row * sum(counts[first:behind])) for first, behind in groups]
    starts = [groups[first][0] for first, _ in groups_of(sizes, part_bytes)]
    return [(start, sum(counts[:start])) for start in starts]
