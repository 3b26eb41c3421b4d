"""Files to blocks of text columns, piece by piece, with the position of every row."""

import bz2
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from features.errors import DataError
from pipeline.data.sources.base import File, ParquetFile, TextFile
from pipeline.data.text_rows import BadLine, LineParser, ParsedLines, count_lines

MAX_ROWS = 8_192  # of a block
SUFFIXES = ("", ".gz", ".bz2", ".xz")
_PIECE_BYTES = 1 << 20
_LONGEST_LINE = 64 << 20
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class RowBlock:
    """Some consecutive rows of a file.

    Args:
        key: Tells the block from all others of the file, in their order: a position in the file,
            below 2**42, that does not depend on who reads it.
        rows: Columns of text (lists stay lists); missing is null.
        positions: Line (from 1), or row of a Parquet file (from 1), of each row.
        bad: Lines between them that are no rows.
        text_of: Position -> what stands there, for messages.
    """

    key: int
    rows: pa.RecordBatch
    positions: np.ndarray
    bad: Sequence[BadLine]
    text_of: Callable[[int], str]


class Unreadable(Exception):
    """The rest of a file cannot be read; the message says where and why."""


def read_header(file: File, path: str) -> tuple[str, ...]:
    """Names of a file's columns, as feature specs call them, in the order of the file.

    Raises:
        DataError: The file cannot be opened, has no header, or names a column twice.
    """
    try:
        if isinstance(file, ParquetFile):
            with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
                received = pq.ParquetFile(stream).schema_arrow.names
        elif file.columns is not None:
            received = list(file.columns)
        else:
            with _open(path) as stream:
                received = _split_header(stream.readline(_PIECE_BYTES), file)
    except (*_DAMAGED, pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}. Download it again.") from error
    names = tuple(file.rename.get(name, name) for name in received)
    if not any(names):
        raise DataError(f"{path} is empty: expected a first line that names the columns.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path}: the first line names {', '.join(twice)} twice. Give each column its own name."
        )
    return names


def read_blocks(
    file: File, path: str, header: Sequence[str], wanted: Sequence[str]
) -> Iterator[RowBlock]:
    """Reads a file in pieces; no more than one is in memory.

    Args:
        file: How to read it.
        path: Where it lies, in any file system that Beam knows.
        header: What `read_header` returned for it.
        wanted: Columns to read.

    Raises:
        Unreadable: The file breaks off or is damaged. Blocks before that place were yielded.
    """
    if isinstance(file, ParquetFile):
        return _read_parquet(file, path, wanted)
    return _read_text(file, path, header, wanted)


def _read_text(
    file: TextFile, path: str, header: Sequence[str], wanted: Sequence[str]
) -> Iterator[RowBlock]:
    parser = LineParser(file, header, wanted)
    offset, line = 0, 1
    try:
        with _open(path) as stream:
            if file.columns is None:
                offset, line = len(stream.readline(_PIECE_BYTES)), 2
            for piece in _pieces(stream):
                parsed = parser.parse(piece, line)
                yield from _blocks_of(piece, line, offset, parsed, file.encoding)
                offset, line = offset + len(piece), line + count_lines(piece)
    except _DAMAGED as error:
        raise Unreadable(
            f"{path} is damaged or breaks off after line {line - 1:,}: {error}. Download it again."
        ) from error


def _blocks_of(
    piece: bytes, first_line: int, offset: int, parsed: ParsedLines, encoding: str
) -> Iterator[RowBlock]:
    def text_of(line: int) -> str:
        text = piece.split(b"\n")[line - first_line].rstrip(b"\r")
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


def _read_parquet(file: ParquetFile, path: str, wanted: Sequence[str]) -> Iterator[RowBlock]:
    in_file = {new: old for old, new in file.rename.items()}
    row = 0
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            columns = [in_file.get(name, name) for name in wanted]
            for batch in pq.ParquetFile(stream).iter_batches(MAX_ROWS, columns=columns):
                rows = pa.RecordBatch.from_arrays(
                    [_as_text(batch.column(name)) for name in columns], names=list(wanted)
                )
                positions = np.arange(row + 1, row + 1 + len(rows))
                yield RowBlock(row, rows, positions, [], _row_text(rows, row))
                row += len(rows)
    except (*_DAMAGED, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Unreadable(f"{path} is damaged after row {row:,}: {error}. Get it again.") from error


def _row_text(rows: pa.RecordBatch, offset: int) -> Callable[[int], str]:
    return lambda position: str(rows.slice(position - 1 - offset, 1).to_pylist()[0])


def _as_text(column: pa.Array) -> pa.Array:
    """Scalars as text, lists as lists of text."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.cast(pa.list_(pa.string()))
    return column.cast(pa.string())


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, about a megabyte at a time."""
    rest = b""
    while read := stream.read(_PIECE_BYTES):
        rest += read
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _LONGEST_LINE:
            raise OSError(f"a line is longer than {_LONGEST_LINE >> 20} MB; is this a text file?")
    if rest:
        yield rest


def _open(path: str) -> BinaryIO:
    """Opens for reading, decompressing by suffix.

    The standard library's readers fail where compressed data breaks off; Beam's just end.
    """
    raw = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    if path.endswith(".gz"):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), _PIECE_BYTES)
    if path.endswith(".bz2"):
        return bz2.BZ2File(raw)
    if path.endswith(".xz"):
        return lzma.LZMAFile(raw)
    return raw


def _split_header(line: bytes, file: TextFile) -> list[str]:
    encoding = "utf-8-sig" if file.encoding == "utf-8" else file.encoding
    text = line.decode(encoding).rstrip("\r\n")
    if file.quoting:
        names = next(csv.reader([text], delimiter=file.delimiter), [""])
    else:
        names = text.split(file.delimiter)
    return [name.split(":")[0] if file.typed_header else name.strip() for name in names]
