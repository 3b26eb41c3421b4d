"""The first rows of each file of a log, as columns of text."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from features.config import parse
from features.errors import DataError
from pipeline.data.reading.match import match_files, match_paths
from pipeline.data.reading.own_files import first_line, open_own_files, sniff_delimiter
from pipeline.data.reading.read import UnreadableError, read_blocks, read_header
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.file_config import FormatConfig
from pipeline.data.sources import source_named
from pipeline.data.sources.base import File
from pipeline.data.sources.own import OWN_FILES, source_of_path
from pipeline.data.sources.parts import RowParts
from pipeline.inspection.column_names import LABELS

# Texts that mean "missing" in somebody's files.
NULLS = ("NULL", "null", "NA", "N/A", "NaN", "nan", "None", "\\N")


@dataclass(frozen=True)
class Sample:
    """What was read.

    Args:
        data: The `data:` settings that read it, without a split.
        columns: Name -> text, or lists of text, of each row; missing is null.
        bad: Lines that are no rows, and the first reason.
        whole: Whether these are all rows.
        others: Files of the folder with other columns, that are no part of the log.
    """

    data: DataConfig
    columns: dict[str, pa.Array]
    bad: tuple[int, str]
    whole: bool
    others: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return len(next(iter(self.columns.values())))


def read_sample(
    path: str, rows: int, columns: Sequence[str] | None = None, delimiter: str | None = None
) -> Sample:
    """Reads the first rows of a file, or of each file of a folder.

    Args:
        path: Delimited text, Parquet or JSON lines, also compressed; or a folder of them.
        rows: Number of rows to read, over all files together.
        columns: Names of all columns, for text without a header line.
        delimiter: Delimiter of text; found out where it is not given.

    Raises:
        ConfigError: A delimiter that no text can have.
        DataError: There is nothing that can be read.
    """
    kind, log, others = _choose_files(path)
    quoting = delimiter is None or len(delimiter) == 1
    content = {"columns": columns, "delimiter": delimiter, "quoting": quoting}
    given = parse(FormatConfig, content, "--delimiter and --columns")
    settings = _format_of(log[0], given) if kind == "csv" else FormatConfig()
    if kind != "csv" and settings != given:
        raise DataError(
            f"{path} is {OWN_FILES[kind].title}, which names its own columns. Leave columns and "
            "delimiter out."
        )
    names = tuple(map(os.path.basename, log)) if others else None
    data = DataConfig(source=kind, path=path, log=names, format=settings)
    sample = _read(data, log, rows)
    if kind == "csv" and settings.quoting and sample.bad[0]:
        unquoted = settings.model_copy(update={"quoting": False})
        without_quotes = _read(data.model_copy(update={"format": unquoted}), log, rows)
        sample = min(sample, without_quotes, key=lambda sample: sample.bad[0])
    nulls = _null_texts(sample) if kind == "csv" else ()
    if nulls:
        settings = sample.data.format.model_copy(update={"null_values": ("", *nulls)})
        sample = _read(sample.data.model_copy(update={"format": settings}), log, rows)
    if not sample.rows:
        bad, why = sample.bad
        reason = f" {bad:,} lines are none, the first: {why}." if bad else ""
        raise DataError(f"{path} has no rows.{reason} Expected a header line and rows below it.")
    return replace(sample, others=others)


def _choose_files(path: str) -> tuple[str, list[str], tuple[str, ...]]:
    """Kind and files of the log, and the other files of a folder.

    In a folder the log is what has the most bytes, of the files that have the same columns.
    """
    if not os.path.isdir(path) and match_paths(path):
        return source_of_path(path), [path], ()
    kinds = {kind: match_files(path, source.log_patterns) for kind, source in OWN_FILES.items()}
    if not any(kinds.values()):
        patterns = ", ".join(
            itertools.chain(*(source.log_patterns for source in OWN_FILES.values()))
        )
        raise DataError(
            f"{path} is no file and no folder of files {patterns}. Give one of delimited text, "
            "Parquet or JSON lines."
        )
    alike: dict[tuple[str, ...], list[str]] = {}
    for kind, paths in kinds.items():
        for file in paths:
            alike.setdefault((kind, *_header(kind, file)), []).append(file)
    (kind, *_), log = max(alike.items(), key=lambda item: sum(map(_size, item[1])))
    others = sorted({file for paths in kinds.values() for file in paths} - set(log))
    return kind, log, tuple(map(os.path.basename, others))


def _header(kind: str, path: str) -> tuple[str, ...]:
    """What files of one log have in common: their columns, in whatever order."""
    if kind != "csv":
        return tuple(sorted(_log_file(DataConfig(source=kind, path=path), path)[1]))
    line = first_line(path, "latin-1")
    names = _values(line, sniff_delimiter(line))
    return (str(len(names)),) if _is_row(names) else tuple(sorted(names))


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _log_file(data: DataConfig, path: str) -> tuple[File, tuple[str, ...]]:
    log = open_own_files(source_named(data.source), data)[0].log
    assert not isinstance(log, RowParts)  # only generated sources have these
    return log, read_header(log, path)


def _format_of(path: str, given: FormatConfig) -> FormatConfig:
    """Fills in the encoding, and `c0`, `c1`, ... where the first line names no columns."""
    try:
        line = first_line(path, given.encoding)
    except DataError:
        given = given.model_copy(update={"encoding": "latin-1"})
        line = first_line(path, given.encoding)
        if "\x00" in line:
            raise DataError(
                f"{path} is not text. Expected delimited text, Parquet (ending in .parquet) or "
                "JSON lines (.jsonl)."
            ) from None
    if given.columns is not None:
        return given
    values = _values(line, given.delimiter or sniff_delimiter(line))
    if _is_row(values) and len(values) > 1:
        return given.model_copy(
            update={"columns": tuple(f"c{number}" for number in range(len(values)))}
        )
    return given


def _values(line: str, delimiter: str) -> tuple[str, ...]:
    return tuple(value.strip().strip('"') for value in line.split(delimiter))


def _is_row(values: tuple[str, ...]) -> bool:
    """Whether the first line is a row already, and names no columns."""
    named = any(len(value) > 1 and value.lower() in LABELS for value in values)
    return not named and any(map(_is_value, values))


def _is_value(text: str) -> bool:
    """Whether a text is what names of columns never are: a number, or nothing."""
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def _read(data: DataConfig, log: Sequence[str], rows: int) -> Sample:
    """The files in turn, each with the rows that an even share leaves it."""
    file, header = _log_file(data, log[0])
    batches, bad, reason, left, whole = [], 0, "", rows, True
    for number, path in enumerate(log):
        share = -(-left // (len(log) - number))
        try:
            for block in read_blocks(file, path, read_header(file, path), header):
                if share <= 0:
                    whole = False
                    break
                bad += len(block.bad)
                reason = reason or (block.bad[0].reason if block.bad else "")
                batches.append(block.rows.slice(0, share))
                whole = whole and len(block.rows) <= share
                left, share = left - len(batches[-1]), share - len(batches[-1])
        except UnreadableError as error:
            if not batches:
                raise DataError(str(error)) from error
            bad, reason = bad + 1, str(error)
    table = pa.Table.from_batches(batches).combine_chunks() if batches else None
    columns = {
        name: pa.nulls(0, pa.string()) if table is None else _plain(table.column(name))
        for name in header
    }
    return Sample(data, columns, (bad, reason), whole)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """One array of text, or of lists of text, whatever the reader made of it."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, pa.string())
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return array.cast(pa.list_(pa.string()))
    return array.cast(pa.string())


def _null_texts(sample: Sample) -> tuple[str, ...]:
    """Texts of `NULLS` that stand in the sample."""
    texts: set[str] = set()
    for column in sample.columns.values():
        if pa.types.is_string(column.type):
            texts |= set(NULLS) & set(column.unique().to_pylist())
    return tuple(text for text in NULLS if text in texts)
