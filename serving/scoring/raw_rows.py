"""Raw rows from JSON lines or CSV, typed, in blocks: what `predict` reads."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pyarrow as pa

from features.errors import DataError
from features.raw import coerce
from features.specs import FeatureSet
from serving.scoring.csv_rows import csv_blocks
from serving.scoring.json_rows import UntypedBlock, json_blocks

STDIN = "-"
BLOCK_ROWS = 4096

_READERS: dict[str, Callable[[Iterator[str], str, FeatureSet, int], Iterator[UntypedBlock]]] = {
    ".jsonl": json_blocks,
    ".ndjson": json_blocks,
    ".json": json_blocks,
    ".csv": csv_blocks,
}


def read_rows(
    path: str, features: FeatureSet, block_rows: int = BLOCK_ROWS
) -> Iterator[pa.RecordBatch]:
    """Reads the input features of raw rows, in order, without holding the whole file.

    JSON lines: an object a line; a key that is absent from a row is a missing value there. CSV: a
    header, then a row a line, an empty cell is a missing value; the steps of a history stand in
    one cell, as a JSON list unless the feature has a separator. Empty lines are passed over, and
    columns that no input feature reads are ignored.

    Args:
        path: A file that ends in .jsonl, .ndjson, .json (all JSON lines) or .csv, with .gz after
            it where it is compressed; or `-` for JSON lines from the standard input.
        features: What the columns mean.
        block_rows: Most rows in a batch.

    Yields:
        Typed raw columns, as `features.raw.coerce` gives them.

    Raises:
        DataError: The file cannot be read; a row is malformed or a value does not fit, with its
            line; or a column is missing: from the header, or, at the end, from every single row,
            because a misspelt name must not be scored as missing values.
    """
    where = "standard input" if path == STDIN else path
    read = _READERS[".jsonl" if path == STDIN else _suffix(path)]
    try:
        with _open(path) as file:
            for batch, lines, reasons in read(_decoded(file, where), where, features, block_rows):
                typed, _, more = coerce(batch, features, roles=("input",))
                reasons = {**more, **reasons}
                if reasons:
                    row = min(reasons)
                    raise DataError(
                        f"{where}, line {lines[row]}: {reasons[row]}. "
                        "Correct it, or leave it empty if it is missing."
                    )
                yield typed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{where} is not a whole gzip file: {error}. Make it again, or rename it if it is not "
            "compressed."
        ) from None
    except OSError as error:
        raise DataError(
            f"{where} cannot be read: {error.strerror or error}. Give a file of raw rows."
        ) from None


def _suffix(path: str) -> str:
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if suffix not in _READERS:
        raise DataError(
            f"{path}: cannot tell its format from its name. Give a file that ends in "
            f"{', '.join(_READERS)}, with .gz after it where it is compressed, or - for JSON lines "
            "from the standard input."
        )
    return suffix


def _open(path: str) -> AbstractContextManager[Iterable[bytes]]:
    if path == STDIN:
        return nullcontext(sys.stdin.buffer)
    return gzip.open(path) if path.endswith(".gz") else open(path, "rb")


def _decoded(file: Iterable[bytes], where: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where}, line {number}: is not UTF-8 text ({error.reason} at byte "
                f"{error.start}). Convert the file to UTF-8."
            ) from None
