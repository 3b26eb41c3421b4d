"""The first rows of each file of a log, as columns of text."""

import itertools
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from features.config import parse
from features.errors import DataError
from pipeline.data.reading.file_kinds import kind_of, refuse_other_kinds
from pipeline.data.reading.match import match_files, match_log, match_paths
from pipeline.data.reading.own_files import open_own_files
from pipeline.data.reading.own_json import nested_columns
from pipeline.data.reading.partitions import relative_path
from pipeline.data.reading.read import (
    UnreadableColumnError,
    UnreadableError,
    parquet_names,
    read_blocks,
    read_header,
    record_names,
)
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.file_config import FormatConfig
from pipeline.data.sources import source_named
from pipeline.data.sources.base import File, RecordFile
from pipeline.data.sources.own import OWN_FILES, source_of_path
from pipeline.data.sources.parts import RowParts
from pipeline.inspection.column_names import TIME, hints, label_rank
from pipeline.inspection.facts import is_number
from pipeline.inspection.split_files import split_of
from pipeline.inspection.text_format import (
    delimiter_of,
    format_of,
    head_of,
    is_row,
    looks_like_a_table,
    values_of,
)

# Texts that mean "missing" in columns of numbers; elsewhere `NA` may be Namibia.
NULLS = (
    *("NULL", "null", "Null", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "None", "none", "nil"),
    *("(null)", "<NA>", "#N/A", "-", "--", "?", "."),
)
_NULL_OF_DATABASES = "\\N"  # which no column means otherwise
_NESTED = "it holds objects, or lists of them or of lists"
_READS_AS_NUMBERS = 0.5  # least share of a column's distinct texts but `NULLS`


@dataclass(frozen=True)
class Sample:
    """What was read.

    Args:
        data: The `data:` settings that read it, without a split.
        columns: Name -> text, or lists of text, of each row; missing is null.
        bad: Lines that are no rows, and the first reason.
        whole: Whether these are all rows.
        others: Files of the folder with other columns, that are no part of the log, and which
            columns these are, as far as they are known.
        files: The log's files, relative to the folder.
        unread: Column that cannot be read -> why, a clause.
        nulls: Text that means "missing" -> columns of numbers that have it, columns that have it
            and hold no numbers.
        records: How many rows of the log these rows were made from, where they are items of lists.
    """

    data: DataConfig
    columns: dict[str, pa.Array]
    bad: tuple[int, str]
    whole: bool
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)
    nulls: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    records: int | None = None

    @property
    def column_nulls(self) -> dict[str, tuple[str, ...]]:
        """Column of numbers -> texts that mean "missing" in it, and not in the whole log."""
        of_columns: dict[str, tuple[str, ...]] = {}
        for text, (numbers, _) in self.nulls.items():
            for name in () if text in self.data.format.null_values else numbers:
                of_columns[name] = (*of_columns.get(name, ()), text)
        return of_columns

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return len(next(iter(self.columns.values())))


def read_sample(
    path: str,
    rows: int,
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    label: str | None = None,
) -> Sample:
    """Reads the first rows of a file, or of each file of a folder.

    Args:
        path: A file of a kind that can be read (`pipeline.data.sources.own`), or a folder of them.
        rows: Number of rows to read, over all files together.
        columns: Names of all columns, for text without a header line.
        delimiter: Delimiter of text; found out where it is not given.
        label: A column that the log is said to have.

    Raises:
        ConfigError: A delimiter that no text can have.
        DataError: There is nothing that can be read.
    """
    kind, log, others, all_files = _choose_files(path, label)
    quoting = delimiter is None or len(delimiter) == 1
    content = {"columns": columns, "delimiter": delimiter, "quoting": quoting}
    given = parse(FormatConfig, content, "--delimiter and --columns")
    settings = format_of(log[0], given, label) if kind == "csv" else FormatConfig()
    if kind != "csv" and settings != given:
        raise DataError(
            f"{path} is {OWN_FILES[kind].title}, which names its own columns. Leave columns and "
            "delimiter out."
        )
    files = tuple(relative_path(path, file) for file in log)
    names = None if all_files else files
    data = DataConfig(source=kind, path=path, log=names, format=settings)
    sample = _read(data, log, rows)
    if kind == "csv" and settings.quoting and sample.bad[0]:
        unquoted = settings.model_copy(update={"quoting": False})
        without_quotes = _read(data.model_copy(update={"format": unquoted}), log, rows)
        if not _quotes_values(without_quotes):
            sample = min(sample, without_quotes, key=lambda sample: sample.bad[0])
    nulls = _null_texts(sample)
    everywhere = [text for text, (_, others) in nulls.items() if not others]
    if everywhere and kind == "csv":
        settings = sample.data.format.model_copy(update={"null_values": ("", *everywhere)})
        sample = _read(sample.data.model_copy(update={"format": settings}), log, rows)
    if not sample.rows:
        bad, why = sample.bad
        reason = f" {bad:,} lines are none, the first: {why}." if bad else ""
        raise DataError(f"{path} has no rows.{reason} Expected a header line and rows below it.")
    unread = {**_nested(kind, log[0]), **sample.unread}
    sample = replace(sample, others=others, files=files, nulls=nulls, unread=unread)
    return _without_nulls(sample)


def _quotes_values(unquoted: Sample) -> bool:
    """Whether more values stand between quotation marks than begin with one and do not end so.

    Args:
        unquoted: What was read as if quotation marks meant nothing.
    """
    begins = [pc.starts_with(column, '"') for column in unquoted.columns.values()]
    whole = [pc.match_substring_regex(each, '(?s)^".*"$') for each in unquoted.columns.values()]
    opened, closed = (sum(pc.sum(each).as_py() or 0 for each in marks) for marks in (begins, whole))
    return closed > opened - closed


def _choose_files(
    path: str, label: str | None
) -> tuple[str, list[str], dict[str, tuple[str, ...]], bool]:
    """Kind and files of the log, the other files of a folder, and whether the log is all files.

    In a folder the log is what has the most bytes, of the files that have the same columns; but
    where none of these is named like a label, what has one and a time, such as impressions beside
    many more views. Of the other files the columns are told, as far as they are known.
    """
    if not os.path.isdir(path) and match_paths(path):
        kind = source_of_path(path)
        other = kind_of(path, kind)
        if other is not None and other.source in OWN_FILES:
            return other.source, [path], {}, True
        refuse_other_kinds(path, kind)
        return kind, [path], {}, True
    kinds = {kind: match_log(path, source.log_patterns) for kind, source in OWN_FILES.items()}
    nested = not any(kinds.values())
    if nested:  # folders such as train and test
        kinds = {
            kind: [
                file
                for file in match_files(path, [f"*/{each}" for each in source.log_patterns])
                if split_of(relative_path(path, file)) is not None
            ]
            for kind, source in OWN_FILES.items()
        }
    if not any(kinds.values()):
        _refuse_folder(path)
    alike: dict[tuple[str, ...], list[str]] = {}
    no_tables: list[str] = []
    for kind, paths in kinds.items():
        for file in paths:
            other = kind_of(file, kind)
            known = kind if other is None else other.source
            columns = None
            if known is not None and (known != "csv" or _is_table(file)):
                columns = _columns_of(known, file, label)
            if known is not None and columns is not None:
                alike.setdefault((known, *columns), []).append(file)
            else:
                no_tables.append(file)
    if not alike:
        alike = {(kind, ""): paths for kind, paths in kinds.items() if paths}
        refuse_other_kinds(no_tables[0], next(iter(alike))[0])
    (kind, *_), log = _largest(alike, label)
    others = {file for paths in kinds.values() for file in paths} - {*log, *no_tables}
    is_all = not others and not nested and not set(no_tables) & set(kinds[kind])
    is_all = is_all and set(log) <= set(kinds[kind])
    return kind, log, _columns_beside(path, others, alike), is_all


def _columns_beside(
    folder: str, files: Collection[str], alike: dict[tuple[str, ...], list[str]]
) -> dict[str, tuple[str, ...]]:
    """Files, relative to a folder, and their columns as far as `alike` has them."""
    columns_of = {
        file: key[2:] if key[0] == "csv" else key[1:]  # behind the delimiter
        for key, paths in alike.items()
        for file in paths
    }
    beside = {relative_path(folder, file): columns_of.get(file, ()) for file in files}
    return dict(sorted(beside.items()))


def _largest(
    alike: dict[tuple[str, ...], list[str]], label: str | None
) -> tuple[tuple[str, ...], list[str]]:
    """The files of most bytes; but of two with the same columns those that also have a label."""
    having = {key: paths for key, paths in alike.items() if label in key[1:]} or alike
    columns, log = max(having.items(), key=lambda item: sum(map(_size, item[1])))
    if label is None and not any(label_rank(name) is not None for name in columns[1:]):
        of_examples = {
            key: paths
            for key, paths in having.items()
            if any(label_rank(name) is not None for name in key[1:])
            and any(hints(name, TIME) for name in key[1:])
        }
        having = of_examples or having
        columns, log = max(having.items(), key=lambda item: sum(map(_size, item[1])))
    more = {
        key: paths
        for key, paths in having.items()
        if set(key) > set(columns)
        and any(label_rank(name) is not None for name in set(key) - set(columns))
    }
    return max(more.items(), key=lambda item: sum(map(_size, item[1])), default=(columns, log))


def _refuse_folder(path: str) -> NoReturn:
    """Says what a folder without a log holds instead, or that there is no such file."""
    files = []
    if os.path.isdir(path):
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    for file in sorted(filter(os.path.isfile, files), key=os.path.getsize, reverse=True):
        refuse_other_kinds(file, "csv")
    patterns = ", ".join(itertools.chain(*(source.log_patterns for source in OWN_FILES.values())))
    raise DataError(
        f"{path} is no file and no folder of files {patterns}. Give one of them, or one file of "
        "another name."
    )


def _is_table(path: str) -> bool:
    """Whether a text file has columns; what cannot be read is for its reader to say."""
    try:
        lines, _ = head_of(path)
    except DataError:
        return True
    return len(lines) < 2 or looks_like_a_table(lines)


def _header(kind: str, path: str, label: str | None) -> tuple[str, ...]:
    """What files of one log have in common: their columns, in whatever order."""
    if kind != "csv":
        return tuple(sorted(_log_file(DataConfig(source=kind, path=path), path)[1]))
    try:
        lines, _ = head_of(path)
    except DataError:
        return (path,)
    delimiter = delimiter_of(lines)
    names = values_of(lines[0], delimiter) if lines else ()
    second = values_of(lines[1], delimiter) if len(lines) > 1 else ()
    if names and is_row(names, second, label):
        return delimiter, str(len(names))
    return delimiter, *sorted(names)


def _columns_of(kind: str, path: str, label: str | None) -> tuple[str, ...] | None:
    """The same; None for JSON that is no lines of objects, such as settings beside a log."""
    try:
        return _header(kind, path, label)
    except DataError:
        if kind == "jsonl":
            return None
        raise


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _nested(kind: str, path: str) -> dict[str, str]:
    """Columns that are none here, for they hold lists of lists or objects."""
    if kind == "jsonl":
        return dict.fromkeys(nested_columns(path), _NESTED)
    if kind == "parquet":
        return dict.fromkeys(parquet_names(path, can_be_read=False), _NESTED)
    log = OWN_FILES[kind].log
    if isinstance(log, RecordFile):
        names = record_names(log, path, can_be_read=False)
        return dict.fromkeys(names, _NESTED)
    return {}


def _log_file(data: DataConfig, path: str) -> tuple[File, tuple[str, ...]]:
    log = open_own_files(source_named(data.source), data)[0].log
    assert not isinstance(log, RowParts)  # only generated sources have these
    return log, read_header(log, path)


def _read(data: DataConfig, log: Sequence[str], rows: int) -> Sample:
    """The files in turn, each with the rows that an even share leaves it.

    Columns that hold no text are left out, and named.
    """
    file, header = _log_file(data, log[0])
    unread: dict[str, str] = {}
    while True:
        wanted = [name for name in header if name not in unread]
        try:
            return replace(_read_columns(data, file, wanted, log, rows), unread=unread)
        except UnreadableColumnError as error:
            unread[error.column] = error.reason
            if len(unread) == len(header):
                raise DataError(str(error)) from error


def _read_columns(
    data: DataConfig, file: File, wanted: Sequence[str], log: Sequence[str], rows: int
) -> Sample:
    batches, bad, reason, left, whole = [], 0, "", rows, True
    for number, path in enumerate(log):
        share = -(-left // (len(log) - number))
        try:
            for block in read_blocks(file, path, read_header(file, path), wanted):
                if share <= 0:
                    whole = False
                    break
                bad += len(block.bad)
                reason = reason or (block.bad[0].reason if block.bad else "")
                batches.append(block.rows.slice(0, share))
                whole = whole and len(block.rows) <= share
                left, share = left - len(batches[-1]), share - len(batches[-1])
        except UnreadableColumnError:
            raise
        except UnreadableError as error:
            if not batches:
                raise DataError(str(error)) from error
            bad, reason = bad + 1, str(error)
    table = pa.Table.from_batches(batches).combine_chunks() if batches else None
    columns = {
        name: pa.nulls(0, pa.string()) if table is None else _plain(table.column(name))
        for name in wanted
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


def _without_nulls(sample: Sample) -> Sample:
    """The sample with the texts that mean "missing" in some columns alone as missing values."""
    columns = dict(sample.columns)
    for name, texts in sample.column_nulls.items():
        is_null = pc.is_in(columns[name], pa.array(texts, pa.string()))
        columns[name] = pc.if_else(is_null, pa.scalar(None, pa.string()), columns[name])
    return replace(sample, columns=columns)


def _null_texts(sample: Sample) -> dict[str, tuple[list[str], list[str]]]:
    """Texts of `NULLS` in columns that otherwise read as numbers, with who has them."""
    of_numbers: dict[str, list[str]] = {}
    of_others: dict[str, list[str]] = {}
    for name, column in sample.columns.items():
        if not pa.types.is_string(column.type):
            continue
        values = [value for value in column.unique().to_pylist() if value is not None]
        if _NULL_OF_DATABASES in values:
            of_numbers.setdefault(_NULL_OF_DATABASES, []).append(name)
        rest = [value for value in values if value not in NULLS and value != _NULL_OF_DATABASES]
        are_numbers = sum(map(is_number, rest)) > _READS_AS_NUMBERS * len(rest)
        for text in set(NULLS) & set(values):
            (of_numbers if are_numbers else of_others).setdefault(text, []).append(name)
    return {
        text: (of_numbers[text], of_others.get(text, []))
        for text in (*NULLS, _NULL_OF_DATABASES)
        if text in of_numbers
    }
