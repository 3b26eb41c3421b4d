"""Files to blocks of text columns, piece by piece, with the position of every row."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from features.errors import DataError
from features.raw_texts import NotTextError, has_text, texts
from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading.avro_rows import avro_kinds, read_avro
from pipeline.data.reading.column_error import ColumnError
from pipeline.data.reading.json_lines import JsonLineParser
from pipeline.data.reading.lines import LONGEST_LINE, Piece, read_pieces
from pipeline.data.reading.orc_rows import orc_names, read_orc
from pipeline.data.reading.pair_lines import PairLineParser
from pipeline.data.reading.parquet_columns import groups_of, row_counts
from pipeline.data.reading.partitions import partition_value
from pipeline.data.reading.text_rows import BadLine, LineParser, ParsedLines
from pipeline.data.reading.vector_files import check_vectors, read_vectors
from pipeline.data.sources.base import (
    ExampleFile,
    File,
    JsonLinesFile,
    LineFile,
    PairsFile,
    ParquetFile,
    RecordFile,
    TextFile,
    VectorFile,
)

_BUFFER_BYTES = 1 << 20
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, pa.ArrowException)
# What fastavro raises for files that are none, damaged or cut off.
AVRO_DAMAGED = (ValueError, EOFError, KeyError, IndexError, TypeError, StopIteration, MemoryError)


@dataclass(frozen=True)
class RowBlock:
    """Some consecutive rows of a file.

    Args:
        key: Tells the block from all others of the file, in their order: a position in the file,
            below 2**42, that does not depend on who reads it.
        rows: Columns of text (lists stay lists, given vectors lists of floats); missing is null.
        positions: Line (from 1), or row of a Parquet or vector file (from 1), of each row.
        bad: Lines between them that are no rows.
        text_of: Position -> what stands there, for messages.
        items: Place, from 1, of each row in the list that it was taken from, where the rows are
            items of lists; see `pipeline.data.reading.explode`.
        records: How many lines, or rows of a file, these rows were made from then.
    """

    key: int
    rows: pa.RecordBatch
    positions: np.ndarray
    bad: Sequence[BadLine]
    text_of: Callable[[int], str]
    items: np.ndarray | None = None
    records: int = 0


class UnreadableError(Exception):
    """The rest of a file cannot be read; the message says where and why."""


class UnreadableColumnError(UnreadableError):
    """A column holds what is no text, such as pictures; the others can be read.

    Args:
        path: The file.
        column: The column.
        reason: What it holds, a clause.
    """

    def __init__(self, path: str, column: str, reason: str):
        super().__init__(
            f"{path}: column {column!r} cannot be read: {reason}. Convert it to text, or let no "
            "feature read it."
        )
        self.column = column
        self.reason = reason


def read_header(file: File, path: str) -> tuple[str, ...]:
    """Names of a file's columns, as feature specs call them, in the order of the file.

    Raises:
        DataError: The file cannot be opened, has no header, or names a column twice.
    """
    if isinstance(file, JsonLinesFile | ExampleFile | PairsFile):
        return *file.columns, *file.partitions
    if isinstance(file, VectorFile):
        try:
            with open_file(path) as stream:
                check_vectors(path, stream)
        except (*DAMAGED, ValueError) as error:
            raise DataError(f"{path} has no vectors that can be read: {error}.") from error
        return file.key, file.vector
    try:
        if isinstance(file, RecordFile):
            return *record_names(file, path), *file.partitions
        if isinstance(file, ParquetFile):
            received = list(parquet_names(path))
        elif file.columns is not None:
            received = list(file.columns)
        else:
            with open_file(path) as stream:
                received = _split_header(stream.readline(LONGEST_LINE), file)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read: {error}. Download it again, or convert it to "
            f"{error.encoding.upper()}."
        ) from error
    except (*DAMAGED, csv.Error) as error:
        reason = str(error).rstrip(".")
        raise DataError(f"{path} cannot be read: {reason}. Download it again.") from error
    names = tuple(file.rename.get(name, name) for name in received)
    if not any(names):
        raise DataError(f"{path} is empty: expected a first line that names the columns.")
    twice = sorted({name or "''" for name in names if names.count(name) > 1})
    if twice:
        given = isinstance(file, TextFile) and file.columns is not None
        where = "the list of its columns" if given else "the first line"
        raise DataError(
            f"{path}: {where} names {', '.join(twice)} twice. Give each column its own name."
        )
    return names + file.partitions


def parquet_names(path: str, can_be_read: bool = True) -> tuple[str, ...]:
    """Columns of a Parquet file that hold a value a row or a list of them, or the others.

    Raises:
        OSError: The file cannot be read.
        ArrowException: The same, for Arrow.
    """
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        schema = pq.ParquetFile(stream).schema_arrow
        return tuple(each.name for each in schema if has_text(each.type) == can_be_read)


def record_names(file: RecordFile, path: str, can_be_read: bool = True) -> tuple[str, ...]:
    """Columns of an ORC or Avro file that hold a value a row or a list of them, or the others.

    Raises:
        OSError: The file cannot be read.
        ArrowException: The same, for Arrow.
    """
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        if file.format == "orc":
            return orc_names(stream, can_be_read)
        try:
            kinds = avro_kinds(stream)
        except AVRO_DAMAGED as error:
            raise OSError(str(error) or "it breaks off") from error
    return tuple(name for name, kind in kinds.items() if (kind != "nested") == can_be_read)


def read_blocks(
    file: File,
    path: str,
    header: Sequence[str],
    wanted: Sequence[str],
    start: int = 0,
    stop: int | None = None,
    newlines: int = 0,
) -> Iterator[RowBlock]:
    """Reads a file, or a part of it, in pieces; no more than one is in memory.

    The blocks of a file are those of its parts, wherever it is cut.

    Args:
        file: How to read it.
        path: Where it lies, in any file system that Beam knows.
        header: What `read_header` returned for it.
        wanted: Columns to read.
        start: First byte of the part, a multiple of `PIECE_BYTES`, or first row group; lines
            belong to the part that they start in.
        stop: First byte, or row group, behind it; None reads to the end.
        newlines: Line breaks, or rows of an ORC file, before `start`.

    Raises:
        UnreadableError: The file breaks off or is damaged. Blocks before that place were yielded.
    """
    if isinstance(file, VectorFile):
        return _read_vectors(file, path, wanted)
    if file.partitions:
        return _read_partition(file, path, header, wanted, start, stop, newlines)
    if isinstance(file, ParquetFile):
        return _read_parquet(file, path, wanted, start, stop)
    if isinstance(file, RecordFile):
        return _read_records(file, path, wanted, start, stop, newlines)
    if isinstance(file, ExampleFile):
        return _read_examples(file, path, wanted)
    return _read_text(file, path, header, wanted, start, stop, newlines)


def _read_partition(
    file: LineFile | ParquetFile | RecordFile | ExampleFile,
    path: str,
    header: Sequence[str],
    wanted: Sequence[str],
    start: int,
    stop: int | None,
    newlines: int,
) -> Iterator[RowBlock]:
    """The blocks of a file with the columns that the names of its folders are."""
    inside = replace(file, partitions=())
    own_header = [name for name in header if name not in file.partitions]
    own = [name for name in wanted if name not in file.partitions] or own_header[:1]
    for block in read_blocks(inside, path, own_header, own, start, stop, newlines):
        columns = {
            name: (
                pa.repeat(pa.scalar(partition_value(path, name), pa.string()), len(block.rows))
                if name in file.partitions
                else block.rows.column(name)
            )
            for name in wanted
        }
        yield replace(block, rows=pa.RecordBatch.from_pydict(columns))


def _read_text(
    file: LineFile,
    path: str,
    header: Sequence[str],
    wanted: Sequence[str],
    start: int,
    stop: int | None,
    newlines: int,
) -> Iterator[RowBlock]:
    parser: JsonLineParser | PairLineParser | LineParser
    if isinstance(file, JsonLinesFile):
        parser = JsonLineParser(file, wanted)
    elif isinstance(file, PairsFile):
        parser = PairLineParser(file, wanted)
    else:
        parser = LineParser(file, header, wanted)
    last = Piece(0, newlines + 1, b"")
    rest = Piece(0, 1, b"")  # a record that the next piece goes on with
    try:
        with open_file(path) as stream:
            for piece in read_pieces(stream, start, stop, newlines):
                piece = _without_header(piece, file) if piece.offset == 0 else piece
                if rest.data:
                    piece = replace(rest, data=rest.data + piece.data)
                parsed = parser.parse(piece.data, piece.line, last=False)
                yield from _blocks_of(piece, parsed, file.encoding)
                last, rest = piece, _rest(piece, parsed)
            if rest.data:
                yield from _blocks_of(rest, parser.parse(rest.data, rest.line), file.encoding)
    except DAMAGED as error:
        line = last.line + last.data.count(b"\n") - 1
        raise UnreadableError(
            f"{path} is damaged or breaks off after line {line:,}: {error}. Download it again."
        ) from error


def _rest(piece: Piece, parsed: ParsedLines) -> Piece:
    """The record at the end of a piece that the next one goes on with.

    Raises:
        OSError: It is longer than any record should be.
    """
    if not parsed.rest:
        return Piece(piece.offset + len(piece.data), piece.line, b"")
    place = len(piece.data) - parsed.rest
    line = piece.line + piece.data.count(b"\n", 0, place)
    if parsed.rest > LONGEST_LINE:
        raise OSError(
            f'a quotation mark (") on line {line:,} is not closed within {LONGEST_LINE >> 20} MB; '
            "where it is a character as any other, set data.format.quoting to false"
        )
    return Piece(piece.offset + place, line, piece.data[place:])


def _without_header(piece: Piece, file: LineFile) -> Piece:
    """The first piece of a file without what stands before its rows."""
    if file.columns is not None:
        return replace(piece, data=piece.data.removeprefix(_mark(file)))
    return replace(piece, line=2, data=piece.data.partition(b"\n")[2])


def _mark(file: LineFile) -> bytes:
    """The byte order mark that a file may begin with."""
    return codecs.BOM_UTF8 if codecs.lookup(file.encoding).name == "utf-8" else b""


def _blocks_of(piece: Piece, parsed: ParsedLines, encoding: str) -> Iterator[RowBlock]:
    offset = piece.offset

    def text_of(line: int) -> str:
        text = piece.data.split(b"\n")[line - piece.line].rstrip(b"\r")
        return text.decode(encoding, errors="backslashreplace")

    bad = parsed.bad
    if not parsed.rows.num_rows and bad:
        empty = pa.RecordBatch.from_pylist([], schema=parsed.rows.schema)
        yield RowBlock(offset, empty, parsed.lines, bad, text_of)
    for start in range(0, parsed.rows.num_rows, MAX_ROWS):
        rows = parsed.rows.slice(start, MAX_ROWS).combine_chunks().to_batches()[0]
        positions = parsed.lines[start : start + MAX_ROWS]
        # Each row takes at least a byte, so keys of one piece stay below the next one's offset.
        yield RowBlock(offset + start, rows, positions, bad, text_of)
        bad = []


def _read_parquet(
    file: ParquetFile, path: str, wanted: Sequence[str], start: int, stop: int | None
) -> Iterator[RowBlock]:
    in_file = {new: old for old, new in file.rename.items()}
    columns = [in_file.get(name, name) for name in wanted]
    row = 0
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            parquet = pq.ParquetFile(stream)
            counts = row_counts(parquet.metadata)
            row = sum(counts[:start])
            # Batches are cut where the file says, so that they do not depend on the part.
            for first, behind in groups_of(counts, MAX_ROWS):
                if first < start or (stop is not None and first >= stop):
                    continue
                groups = range(first, behind)
                for batch in parquet.iter_batches(MAX_ROWS, groups, columns):
                    yield _block_of_columns(batch, columns, wanted, path, row)
                    row += len(batch)
    except DAMAGED as error:
        raise UnreadableError(
            f"{path} is damaged after row {row:,}: {error}. Get it again."
        ) from error


def _block_of_columns(
    batch: pa.RecordBatch, columns: Sequence[str], names: Sequence[str], path: str, row: int
) -> RowBlock:
    """Rows of typed columns, as text and under other names; `row` of the file stand before them."""
    texts = [_as_text(batch.column(column), path, column) for column in columns]
    rows = pa.RecordBatch.from_arrays(texts, names=list(names))
    positions = np.arange(row + 1, row + 1 + len(rows))
    return RowBlock(row, rows, positions, [], _row_text(rows, row))


def _read_records(
    file: RecordFile,
    path: str,
    wanted: Sequence[str],
    start: int,
    stop: int | None,
    rows_before: int,
) -> Iterator[RowBlock]:
    row = rows_before
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            batches = (
                read_orc(stream, wanted, start, stop, rows_before)
                if file.format == "orc"
                else read_avro(stream, wanted)
            )
            for row, batch in batches:
                yield _block_of_columns(batch, wanted, wanted, path, row)
                row += len(batch)
    except ColumnError as error:
        raise UnreadableColumnError(path, error.column, error.reason) from None
    except (*DAMAGED, *AVRO_DAMAGED) as error:
        raise UnreadableError(
            f"{path} is damaged after row {row:,}: {error or 'it breaks off'}. Get it again."
        ) from error


def _read_examples(file: ExampleFile, path: str, wanted: Sequence[str]) -> Iterator[RowBlock]:
    # Imports TensorFlow, which workers that read other files do without.
    from pipeline.data.reading.example_rows import read_examples

    before = 0
    try:
        for before, batch, positions, bad in read_examples(file, path, wanted):
            rows = pa.RecordBatch.from_arrays(
                [_as_text(batch.column(name), path, name) for name in wanted], names=list(wanted)
            )
            places = {int(position): row for row, position in enumerate(positions)}

            def text_at(
                position: int, rows: pa.RecordBatch = rows, places: dict[int, int] = places
            ) -> str:
                return str(rows.slice(places[position], 1).to_pylist()[0])

            yield RowBlock(before, rows, positions, bad, text_at)
    except ColumnError as error:
        raise UnreadableColumnError(path, error.column, error.reason) from None
    except DAMAGED as error:
        raise UnreadableError(
            f"{path} is damaged after row {before:,}: {error}. Get it again."
        ) from error


def _as_text(column: pa.Array, path: str, name: str) -> pa.Array:
    try:
        return texts(column)
    except NotTextError as error:
        raise UnreadableColumnError(path, name, str(error)) from None
    except pa.ArrowException as error:
        raise UnreadableColumnError(path, name, f"it holds {column.type}") from error


def _read_vectors(file: VectorFile, path: str, wanted: Sequence[str]) -> Iterator[RowBlock]:
    row = 0
    try:
        with open_file(path) as stream:
            for row, keys, vectors in read_vectors(path, stream):
                columns = {file.key: keys, file.vector: vectors}
                rows = pa.RecordBatch.from_pydict({name: columns[name] for name in wanted})
                positions = np.arange(row + 1, row + 1 + len(rows))
                yield RowBlock(row, rows, positions, [], _row_text(rows, row))
    except (*DAMAGED, ValueError) as error:
        raise UnreadableError(
            f"{path} is damaged after row {row:,}: {error}. Get it again."
        ) from error


def _row_text(rows: pa.RecordBatch, offset: int) -> Callable[[int], str]:
    return lambda position: str(rows.slice(position - 1 - offset, 1).to_pylist()[0])


def open_file(path: str) -> BinaryIO:
    """Opens for reading, decompressing by suffix.

    The standard library's readers fail where compressed data breaks off; Beam's just end.
    """
    return decompressed(
        FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED), path
    )


def open_gzip(path: str) -> BinaryIO:
    """Opens what gzip compressed, whatever it is called."""
    raw = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return _Decompressed(gzip.GzipFile(fileobj=raw), raw)


def decompressed(raw: BinaryIO, path: str) -> BinaryIO:
    """What a file holds, by its suffix; closing it closes the file."""
    if path.endswith(".gz"):
        return _Decompressed(gzip.GzipFile(fileobj=raw), raw)
    if path.endswith(".bz2"):
        return _Decompressed(bz2.BZ2File(raw), raw)
    if path.endswith(".xz"):
        return _Decompressed(lzma.LZMAFile(raw), raw)
    return raw


class _Decompressed(io.BufferedReader):
    """Closes the compressed file too, which readers of the standard library leave open."""

    def __init__(self, content: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile, compressed: BinaryIO):
        super().__init__(cast(io.RawIOBase, content), _BUFFER_BYTES)
        self._compressed = compressed

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._compressed.close()


def _split_header(line: bytes, file: TextFile) -> list[str]:
    line = line.removeprefix(_mark(file)).rstrip(b"\r\n")
    text = line.decode(file.encoding)
    if "\0" in text:
        raise csv.Error("a NUL byte stands inside its first line; is it UTF-16?")
    if "\r" in text:
        raise csv.Error("a carriage return stands inside its first line, and only \\n ends a line")
    if file.quoting:
        names = next(csv.reader([text], delimiter=file.delimiter), [""])
    else:
        names = text.split(file.delimiter)
    return [name.split(":")[0] if file.typed_header else name.strip() for name in names]
