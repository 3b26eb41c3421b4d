"""`data.source: csv`, `parquet` and the like: files of the user's own, found and looked at."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from apache_beam.io.filesystems import FileSystems

from features.errors import ConfigError, DataError
from pipeline.data.reading.file_kinds import refuse_other_kinds
from pipeline.data.reading.match import match_files, match_log, match_paths
from pipeline.data.reading.own_json import json_lines_file
from pipeline.data.reading.own_pairs import pairs_file
from pipeline.data.reading.partitions import partition_names, relative_path
from pipeline.data.reading.read import open_file, read_header
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.file_config import FormatConfig
from pipeline.data.sources.base import (
    COMPRESSED,
    EventLog,
    ExampleFile,
    File,
    LineFile,
    Negatives,
    ParquetFile,
    RecordFile,
    SideTable,
    Source,
    TextFile,
)
from pipeline.data.sources.own import OWN_FILES, source_of_path
from pipeline.system.quiet import import_tensorflow

DELIMITERS = ("\t", ",", ";", "|")
_FIRST_LINE_BYTES = 1 << 20


def open_own_files(source: Source, data: DataConfig) -> tuple[Source, DataConfig]:
    """What the files of `data.path` are, delimiters found out.

    Args:
        source: One of `sources.own.OWN_FILES`.
        data: Settings. `path` is a folder or a single file.

    Returns:
        The source with its files and tables, and the settings with `path` a folder.

    Raises:
        DataError: There are no such files, or one cannot be read.
    """
    if data.path is None:
        raise DataError(
            f"data.path is not set, and data.source={source.name!r} reads files of your own. Say "
            "where they lie: --set data.path=FOLDER_OR_FILE"
        )
    folder, name = data.path, None
    if match_paths(data.path) and not os.path.isdir(data.path):  # object stores match no folders
        folder, name = os.path.split(data.path)
        if data.log is None and data.split.files is None:
            data = data.model_copy(update={"log": (name,)})
    data = data.model_copy(update={"path": folder})
    tables = tuple(
        SideTable(name, _file(folder, (table.path,), table.format, f"tables.{name}"), table.key)
        for name, table in data.tables.items()
    )
    events = {
        name: EventLog(
            _file(folder, (log.path,), log.format, f"events.{name}"), log.key, log.time, log.unit
        )
        for name, log in data.events.items()
    }
    patterns = data.log or tuple(sum((data.split.files or {}).values(), ()))
    if not patterns:
        others = [table.file for table in tables] + [log.file for log in events.values()]
        elsewhere = {path for file in others for path in match_files(folder, file.patterns)}
        paths = [path for path in match_log(folder, source.log_patterns) if path not in elsewhere]
        patterns = tuple(relative_path(folder, path) for path in paths)
        if not patterns:
            wanted = ", ".join(source.log_patterns)
            raise DataError(
                f"{data.path} has no files {wanted} (plain or with {', '.join(COMPRESSED)}) "
                f"for data.source={source.name!r}. Check data.path, or name the files in data.log."
            )
    log = _file(folder, patterns, data.format, "log", kind=source.name)
    negatives = _negatives(data)
    return replace(source, log=log, side_tables=tables, events=events, negatives=negatives), data


def _negatives(data: DataConfig) -> Negatives | None:
    """What a log of positives only holds where, as the settings say.

    Raises:
        ConfigError: They do not say it.
    """
    settings = data.negatives
    if settings is None:
        return None
    if settings.key is None or settings.item is None:
        raise ConfigError(
            "data.negatives draws items that a user never chose, and does not say in which column "
            "of your data the user stands and in which the item. Set data.negatives.key and "
            "data.negatives.item."
        )
    return Negatives(settings.key, settings.item, settings.label, settings.context)


def sniff_delimiter(line: str, columns: Sequence[str] | None = None, quoting: bool = True) -> str:
    """The delimiter of a line of text: the one that it holds most often.

    Args:
        line: The first line of a file.
        columns: Names of all columns where they are known: a delimiter that cuts the line into as
            many values goes before the others.
        quoting: Whether `"` quotes values.
    """

    def values(delimiter: str) -> int:
        quotes: Literal[0, 3] = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
        try:
            return len(next(csv.reader([line], delimiter=delimiter, quoting=quotes), []))
        except csv.Error:  # whoever reads the line says what is wrong with it
            return 0

    counts = {delimiter: values(delimiter) for delimiter in DELIMITERS}
    if columns is not None and len(columns) in counts.values():
        return next(each for each, count in counts.items() if count == len(columns))
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    return best if counts[best] > 1 else ","


def first_line(path: str, encoding: str) -> str:
    """A text file's first line, without its line break.

    Raises:
        DataError: The file cannot be opened, or is not text.
    """
    try:
        with open_file(path) as stream:
            line = stream.readline(_FIRST_LINE_BYTES)
        # A line cut inside a character would be no text.
        text = line.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding.upper()} text: {error.reason} at byte {error.start + 1} of "
            "its first line. Set data.format.encoding, or data.source to what the file is."
        ) from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    return text.rstrip("\r\n")


def text_file(
    path: str, patterns: tuple[str, ...], settings: FormatConfig, lines: str | None = None
) -> TextFile:
    """How the delimited text at `path` is read, its delimiter found out where none is given.

    Args:
        path: One of the files.
        patterns: Patterns of all files.
        settings: What is known.
        lines: Their first line, where it was read before.

    Raises:
        DataError: The file cannot be read.
    """
    delimiter = settings.delimiter
    if delimiter is None:
        line = first_line(path, settings.encoding) if lines is None else lines
        delimiter = sniff_delimiter(line, settings.columns, settings.quoting)
    return TextFile(
        patterns=patterns,
        delimiter=delimiter,
        quoting=settings.quoting,
        columns=settings.columns,
        null_values=settings.null_values,
        encoding=settings.encoding,
    )


def _file(
    folder: str,
    patterns: tuple[str, ...],
    settings: FormatConfig,
    table: str,
    kind: str | None = None,
) -> File:
    paths = match_files(folder, patterns)
    if not paths:
        raise DataError(
            f"{FileSystems.join(folder, patterns[0])}: no such file ({table.rpartition('.')[2]}). "
            f"Check data.path and {'data.log' if table == 'log' else f'data.{table}.path'}."
        )
    kind = kind or source_of_path(paths[0])
    refuse_other_kinds(paths[0], kind)
    file = _of_kind(kind, paths[0], patterns, settings)
    partitions = partition_names(folder, paths[0])
    if partitions:
        own = read_header(file, paths[0])
        file = replace(file, partitions=tuple(name for name in partitions if name not in own))
    return file


def _of_kind(
    kind: str, path: str, patterns: tuple[str, ...], settings: FormatConfig
) -> LineFile | ParquetFile | RecordFile | ExampleFile:
    """How files of a kind are read, found out from one of them."""
    if kind == "parquet":
        return ParquetFile(patterns)
    if kind == "orc":
        return RecordFile(patterns, "orc")
    if kind == "avro":
        return RecordFile(patterns, "avro")
    if kind == "tfrecord":
        # Imports TensorFlow, which takes seconds.
        import_tensorflow()
        from pipeline.data.reading.example_rows import example_file

        return example_file(path, patterns)
    if kind == "libsvm":
        return pairs_file(path, patterns, "libsvm")
    if kind == "libffm":
        return pairs_file(path, patterns, "libffm")
    if kind == "jsonl":
        return json_lines_file(path, patterns)
    return text_file(path, patterns, settings)


def is_own(source: Source) -> bool:
    """Whether the source stands for files of the user's own."""
    return source.name in OWN_FILES
