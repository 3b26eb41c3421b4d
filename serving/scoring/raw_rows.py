"""Raw rows from JSON lines, delimited text or Parquet, typed, in blocks: what `predict` reads."""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from features.errors import DataError
from features.raw import Reasons, coerce
from features.specs import FeatureSet
from features.text_format import TextFormat
from serving.scoring.byte_lines import ByteFile, ByteLines
from serving.scoring.csv_rows import csv_blocks
from serving.scoring.json_rows import UntypedBlock, json_blocks
from serving.scoring.parquet_rows import parquet_blocks

STDIN = "-"
BLOCK_ROWS = 4096

_JSON, _CSV, _PARQUET = (".jsonl", ".ndjson", ".json"), (".csv", ".tsv"), (".parquet",)
_SUFFIXES = (*_JSON, *_CSV, *_PARQUET)
_COMPRESSED: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_NOT_WHOLE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


def read_rows(
    path: str,
    features: FeatureSet,
    block_rows: int = BLOCK_ROWS,
    text_format: TextFormat | None = None,
    coded: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Reads the input features of raw rows, in order, without holding the whole file.

    Values are read as in the data job, see `features.raw_values`. JSON lines: an object a line; a
    key that is absent from a row is a missing value there. Delimited text: a header, then a row a
    record, an empty cell is a missing value; the steps of a history stand in one cell, as a JSON
    list unless the feature has a separator. Empty lines are passed over, and columns that no input
    feature reads are ignored.

    Args:
        path: A file that ends in .jsonl, .ndjson, .json (all JSON lines), .csv, .tsv (both
            delimited text) or .parquet, the former with .gz, .bz2 or .xz after it where they are
            compressed; or `-` for JSON lines from the standard input.
        features: What the columns mean.
        block_rows: Most rows in a batch.
        text_format: How delimited text was written in training, as the bundle's metadata say.
        coded: Give tokens in dictionaries, see `features.raw.coerce`.

    Yields:
        Typed raw columns, as `features.raw.coerce` gives them.

    Raises:
        DataError: The file cannot be read; a row is malformed or a value does not fit, with its
            line; or a column is missing: from the header, or, at the end, from every single row,
            because a misspelt name must not be scored as missing values.
    """
    where = "standard input" if path == STDIN else path
    suffix = ".jsonl" if path == STDIN else _suffix(path)
    try:
        for block in _blocks(path, suffix, features, block_rows, text_format):
            typed, reasons = _typed(block, features, coded)
            if reasons and block.carefully is not None:
                typed, reasons = _typed(block.carefully(), features, coded)
            if reasons:
                row = min(reasons)
                unit = "row" if suffix in _PARQUET else "line"
                raise DataError(
                    f"{where}, {unit} {block.lines[row]}: {reasons[row]}. "
                    "Correct it, or leave it empty if it is missing."
                )
            yield typed
    except _NOT_WHOLE as error:
        kind = {".bz2": "bzip2", ".xz": "xz"}.get(Path(path).suffix, "gzip")
        raise DataError(
            f"{where} is not a whole {kind} file: {error}. Make it again, or rename it if it is "
            "not compressed."
        ) from None
    except OSError as error:
        raise DataError(
            f"{where} cannot be read: {error.strerror or error}. Give a file of raw rows."
        ) from None


def _typed(
    block: UntypedBlock, features: FeatureSet, coded: bool
) -> tuple[pa.RecordBatch, Reasons]:
    typed, _, reasons = coerce(block.columns, features, roles=("input",), coded=coded)
    return typed, {**reasons, **block.reasons}


def _blocks(
    path: str,
    suffix: str,
    features: FeatureSet,
    block_rows: int,
    text_format: TextFormat | None,
) -> Iterator[UntypedBlock]:
    if suffix in _PARQUET:
        yield from parquet_blocks(path, features, block_rows)
        return
    where = "standard input" if path == STDIN else path
    with _open(path) as file:
        lines = ByteLines(file)
        if suffix in _JSON:
            yield from json_blocks(lines, where, features, block_rows)
        else:
            yield from csv_blocks(lines, where, features, block_rows, text_format or TextFormat())


def _suffix(path: str) -> str:
    plain = path
    for ending in _COMPRESSED:
        plain = plain.removesuffix(ending)
    suffix = Path(plain).suffix.lower()
    if suffix not in _SUFFIXES or (suffix in _PARQUET and plain != path):
        raise DataError(
            f"{path}: cannot tell its format from its name. Give a file that ends in "
            f"{', '.join(_SUFFIXES)}, text with .gz, .bz2 or .xz after it where it is compressed, "
            "or - for JSON lines from the standard input."
        )
    return suffix


def _open(path: str) -> AbstractContextManager[ByteFile]:
    if path == STDIN:
        return nullcontext(cast(ByteFile, sys.stdin.buffer))
    opened: AbstractContextManager[ByteFile] = _COMPRESSED.get(Path(path).suffix, _open_plain)(path)
    return opened


def _open_plain(path: str) -> BinaryIO:
    return open(path, "rb")
