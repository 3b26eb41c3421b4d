"""Cuts large files into parts, so that one of them uses every worker.

Parts are counted in pieces of the file (`lines.PIECE_BYTES`, groups of row groups), never in
workers: whoever reads them, the same blocks of rows come out. Rows are known by their line, so
the lines before each part are counted first, by the workers too; files of one part are not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput

from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading import lines
from pipeline.data.reading.lines import LineCount
from pipeline.data.reading.orc_rows import part_starts
from pipeline.data.reading.parquet_columns import groups_of, row_counts
from pipeline.data.reading.read import DAMAGED
from pipeline.data.sources.base import (
    COMPRESSED,
    ExampleFile,
    File,
    ParquetFile,
    RecordFile,
    TextFile,
    VectorFile,
)
from pipeline.data.sources.input_file import InputFile

RANGE_PIECES = 4  # of `lines.PIECE_BYTES`
_TO_COUNT: Literal["to_count"] = "to_count"


class CutFiles(beam.PTransform):
    """Whole `InputFile`s in; the parts of them out, spread over the workers.

    Args:
        file: How the files are read; what cannot be cut stays whole.
    """

    def __init__(self, file: File):
        super().__init__()
        self._file = file

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        cut = files | "Cut" >> beam.FlatMap(self._cut).with_outputs(_TO_COUNT, main="ready")
        numbered = (
            cut[_TO_COUNT]
            | "SpreadToCount" >> beam.Reshuffle()
            | "CountLines" >> beam.Map(with_line_count, quotes=has_quotes(self._file))
            | "OfAFile" >> beam.GroupByKey()
            | "Number" >> beam.FlatMap(number_lines)
        )
        return (cut["ready"], numbered) | beam.Flatten() | "Spread" >> beam.Reshuffle()

    def _cut(
        self, file: InputFile
    ) -> Iterator[InputFile | TaggedOutput[Literal["to_count"], InputFile]]:
        parts = parts_of(self._file, file)
        for part in parts:
            counts = len(parts) > 1 and not isinstance(self._file, ParquetFile | RecordFile)
            yield TaggedOutput(_TO_COUNT, part) if counts else part


def parts_of(file: File, whole: InputFile) -> list[InputFile]:
    """Cuts a file; how often depends on the file alone.

    Returns:
        Its parts in their order; the last one reads to the end.
    """
    before: list[int] | None = None
    if isinstance(file, ParquetFile):
        starts = _row_group_starts(whole.path)
    elif isinstance(file, RecordFile) and file.format == "orc":
        starts, before = _stripe_starts(whole.path)
    elif (
        isinstance(file, RecordFile | ExampleFile | VectorFile)
        or whole.path.endswith(COMPRESSED)
        or whole.size is None
    ):
        starts = [0]
    else:
        starts = list(range(0, whole.size, RANGE_PIECES * lines.PIECE_BYTES)) or [0]
    stops = [*starts[1:], None]
    return [
        replace(whole, start=start, stop=stop, newlines=rows)
        for start, stop, rows in zip(starts, stops, before or [0] * len(starts), strict=True)
    ]


def _stripe_starts(path: str) -> tuple[list[int], list[int]]:
    """First stripe of each part of an ORC file, and the rows before it."""
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            parts = part_starts(stream, RANGE_PIECES * lines.PIECE_BYTES)
    except DAMAGED:
        return [0], [0]  # whoever reads it says what is wrong
    return [start for start, _ in parts], [rows for _, rows in parts]


def _row_group_starts(path: str) -> list[int]:
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            metadata = pq.ParquetFile(stream).metadata
    except DAMAGED:
        return [0]  # whoever reads it says what is wrong
    groups = groups_of(row_counts(metadata), MAX_ROWS)
    sizes = [
        sum(metadata.row_group(index).total_byte_size for index in range(first, behind))
        for first, behind in groups
    ]
    parts = groups_of(sizes, RANGE_PIECES * lines.PIECE_BYTES)
    return [groups[first][0] for first, _ in parts] or [0]


def has_quotes(file: File) -> bool:
    """Whether quoted values may hold line breaks."""
    return isinstance(file, TextFile) and file.quoting


def with_line_count(part: InputFile, quotes: bool) -> tuple[int, tuple[InputFile, LineCount]]:
    """A file's index; a part of it, and its lines, of which the last part need only the first."""
    stop = part.stop
    if stop is None:
        if not quotes:
            return part.index, (part, LineCount(0))
        stop = part.start + lines.PIECE_BYTES
    with FileSystems.open(part.path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        count = lines.count_lines_in(stream, part.start, stop, quotes)
    return part.index, (part, count)


def number_lines(
    of_a_file: tuple[int, Iterable[tuple[InputFile, LineCount]]],
) -> Iterator[InputFile]:
    """Tells each part of a file how many line breaks stand before it.

    From the first line on that may break inside quotes, the rest of the file is one part: only
    who reads the lines before a place knows whether it lies inside a record.
    """
    counted = sorted(of_a_file[1], key=lambda counted: counted[0].start)
    last = _first_odd([count for _, count in counted])
    before = 0
    for index, (part, count) in enumerate(counted[: last + 1]):
        stop = None if index == last else part.stop
        yield replace(part, newlines=before, stop=stop)
        before += count.newlines


def _first_odd(counts: Sequence[LineCount]) -> int:
    """The part that the first line starts in which may break inside quotes, or the last part."""
    owner, is_odd = 0, False  # of the line that goes on at the end of a part
    for index, count in enumerate(counts):
        if is_odd != count.odd_head and count.newlines:
            return owner
        if count.odd:
            return index
        if count.newlines:
            owner, is_odd = index, count.odd_tail
        else:
            is_odd ^= count.odd_head
    return len(counts) - 1
