"""Cuts large files into parts, so that one of them uses every worker.

Parts are counted in pieces of the file (`lines.PIECE_BYTES`, groups of row groups), never in
workers: whoever reads them, the same blocks of rows come out. Rows are known by their line, so
the lines before each part are counted first, by the workers too; files of one part are not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput

from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading import lines
from pipeline.data.reading.parquet_columns import groups_of, row_counts
from pipeline.data.reading.read import DAMAGED
from pipeline.data.sources.base import COMPRESSED, File, ParquetFile, VectorFile
from pipeline.data.sources.input_file import InputFile

RANGE_PIECES = 32  # of `lines.PIECE_BYTES`
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
            | "CountLines" >> beam.Map(with_newlines)
            | "OfAFile" >> beam.GroupByKey()
            | "Number" >> beam.FlatMap(number_lines)
        )
        return (cut["ready"], numbered) | beam.Flatten() | "Spread" >> beam.Reshuffle()

    def _cut(
        self, file: InputFile
    ) -> Iterator[InputFile | TaggedOutput[Literal["to_count"], InputFile]]:
        parts = parts_of(self._file, file)
        for part in parts:
            counts = len(parts) > 1 and not isinstance(self._file, ParquetFile)
            yield TaggedOutput(_TO_COUNT, part) if counts else part


def parts_of(file: File, whole: InputFile) -> list[InputFile]:
    """Cuts a file; how often depends on the file alone.

    Returns:
        Its parts in their order; the last one reads to the end.
    """
    if isinstance(file, ParquetFile):
        starts = _row_group_starts(whole.path)
    elif whole.path.endswith(COMPRESSED) or whole.size is None or isinstance(file, VectorFile):
        starts = [0]
    else:
        starts = list(range(0, whole.size, RANGE_PIECES * lines.PIECE_BYTES)) or [0]
    stops = [*starts[1:], None]
    return [
        replace(whole, start=start, stop=stop) for start, stop in zip(starts, stops, strict=True)
    ]


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


def with_newlines(part: InputFile) -> tuple[int, tuple[InputFile, int]]:
    """A file's index; a part of it, and its line breaks, which the last part need not know."""
    if part.stop is None:
        return part.index, (part, 0)
    with FileSystems.open(part.path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        return part.index, (part, lines.count_newlines(stream, part.start, part.stop))


def number_lines(of_a_file: tuple[int, Iterable[tuple[InputFile, int]]]) -> Iterator[InputFile]:
    """Tells each part of a file how many line breaks stand before it."""
    before = 0
    for part, newlines in sorted(of_a_file[1], key=lambda counted: counted[0].start):
        yield replace(part, newlines=before)
        before += newlines
