"""Finds a data set's files and checks, before the job starts, that they have what is needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from apache_beam.io.filesystems import FileSystems

from features.errors import ConfigError, DataError, closest
from features.specs import ROLES, FeatureSet
from pipeline.data.config import DataConfig
from pipeline.data.histories.event_needs import needed_events
from pipeline.data.reading.compression import COMPRESSED
from pipeline.data.reading.match import match_files, size_of
from pipeline.data.reading.open_source import open_source
from pipeline.data.reading.read import read_header
from pipeline.data.sources.base import File, Source
from pipeline.data.sources.parts import RowParts
from pipeline.data.splits.negatives_check import check_context, check_negatives
from pipeline.data.splits.split_rule import check_split
from pipeline.data.working import flag_columns


@dataclass(frozen=True)
class InputFile:
    """A file that the job reads, or a part of a generated log.

    Args:
        table: `log`, the name of a side table or of an event log, or `earlier_events`.
        path: Where it lies; for a part, what it is called.
        index: Its place among the files of its table, which are sorted by path.
        header: Names of its columns, in its order.
        split: The split that all of its rows belong to; None where rows are told apart otherwise.
        size: Its bytes, where they are known.
        start: First byte, or row group, of a part of it; see `pipeline.data.reading.ranges`.
        stop: First one behind the part; None reads to the end.
        newlines: Line breaks before the part.
    """

    table: str
    path: str
    index: int
    header: tuple[str, ...]
    split: str | None = None
    size: int | None = None
    start: int = 0
    stop: int | None = None
    newlines: int = 0


@dataclass(frozen=True)
class Inputs:
    """The files of a data set, and which of their columns the features need.

    Args:
        source: The data set; a generated log knows its number of rows and its seed.
        log: Files of the log, or parts of a generated one.
        side_tables: Side table -> its files, for those that are needed.
        earlier_events: Files of what happened before the log; empty where there are none.
        columns: Table -> needed columns, side tables' keys included.
        events: Event log -> its files, for those that histories name.
    """

    source: Source
    log: tuple[InputFile, ...]
    side_tables: Mapping[str, tuple[InputFile, ...]]
    earlier_events: tuple[InputFile, ...]
    columns: Mapping[str, tuple[str, ...]]
    events: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)

    @property
    def files(self) -> tuple[InputFile, ...]:
        """All files that are read: log, side tables, earlier events, event logs."""
        log = () if self.generated else self.log
        sides = tuple(file for files in self.side_tables.values() for file in files)
        events = tuple(file for files in self.events.values() for file in files)
        return log + sides + self.earlier_events + events

    @property
    def generated(self) -> RowParts | None:
        """The log, where it comes in parts instead of files."""
        return self.source.log if isinstance(self.source.log, RowParts) else None


def open_inputs(features: FeatureSet, data: DataConfig) -> Inputs:
    """Fetches the data set where it can be, finds its files, reads their headers.

    Raises:
        ConfigError: No such source, or a setting that its rows cannot satisfy.
        DataError: A file is missing, unreadable, or lacks a column.
    """
    source, data = open_source(data)
    check_split(data, features, source)
    check_negatives(features, data, source)
    of_events = needed_events(features, source)
    if isinstance(source.log, RowParts):
        return _in_parts(features, source, data)
    if data.rows is not None:
        raise ConfigError(
            f"data.rows={data.rows} is for generated data, and data.source={source.name!r} is read "
            "from files. Remove data.rows."
        )
    folder = _folder(source, data.path)
    log = _find_log(source, data, folder)
    sides = {
        table.name: _find(
            table.name, table.file, folder, table.file.patterns, source, table.optional
        )
        for table in source.side_tables
    }
    columns = _assign_columns(features, data.split.key, source, log, sides)
    earlier = ()
    if source.earlier_events is not None and features.histories:
        file = source.earlier_events.file
        earlier = _find("earlier_events", file, folder, file.patterns, source, optional=True)
        needed = [source.earlier_events.key, source.earlier_events.until]
        for each in earlier:
            _require(each, [*needed, *source.earlier_events.lists.values()])
    sides = {name: files for name, files in sides.items() if name in columns}
    events = {}
    for name, needed in of_events.items():
        file = source.events[name].file
        events[name] = _find(name, file, folder, file.patterns, source)
        columns[name] = needed
        for each in events[name]:
            _require(each, needed)
    return Inputs(source, log, sides, earlier, columns, events)


def _in_parts(features: FeatureSet, source: Source, data: DataConfig) -> Inputs:
    """A log that has no files of its own."""
    source = replace(source, log=source.log.configured(source.name, data))
    log = tuple(
        InputFile("log", f"{source.name} {part.name}", number, source.log.columns, part.split)
        for number, part in enumerate(source.log.parts())
    )
    columns = _assign_columns(features, data.split.key, source, log, {})
    return Inputs(source, log, {}, (), columns)


def _folder(source: Source, path: str | None) -> str:
    if path is not None:
        return path
    if source.fetch is None:
        raise DataError(
            f"data.path is not set, and {source.title} cannot be fetched automatically. Download "
            f"it from {source.homepage} and say where it lies: --set data.path=FOLDER"
        )
    return source.fetch()


def _find_log(source: Source, data: DataConfig, folder: str) -> tuple[InputFile, ...]:
    """The log's files; with `split.by: files` each knows its split."""
    if data.split.by != "files":
        return _find("log", source.log, folder, data.log or source.log.patterns, source)
    found = [
        replace(file, split=split)
        for split, patterns in (data.split.files or source.splits).items()
        for file in _find("log", source.log, folder, patterns, source)
    ]
    found.sort(key=lambda file: file.path)
    for one, other in pairwise(found):
        if one.path == other.path:
            raise ConfigError(
                f"{one.path} belongs to the splits {one.split} and {other.split}. Give each split "
                "files of its own; validation rows that are the test rows come from "
                "data.split.validation=published."
            )
    return tuple(replace(file, index=index) for index, file in enumerate(found))


def _find(
    table: str,
    file: File,
    folder: str,
    patterns: Iterable[str],
    source: Source,
    optional: bool = False,
) -> tuple[InputFile, ...]:
    """The files of a table, sorted by path; of a plain and a compressed twin the plain one."""
    for pattern in patterns:
        if not optional and not match_files(folder, (pattern,)):
            # What is fetched may be packed otherwise than on the homepage.
            remedy = f"Download it from {source.homepage} and say where it lies"
            if source.fetch is not None:
                remedy = "Leave data.path out to have it fetched, or say where it lies"
            elif not source.homepage:
                remedy = "Check the pattern, or say where the files lie"
            raise DataError(
                f"{FileSystems.join(folder, pattern)}: no such file ({table} of {source.title}, "
                f"plain or with {', '.join(COMPRESSED)}). {remedy}: --set data.path=FOLDER"
            )
    return tuple(
        InputFile(table, path, index, read_header(file, path), size=size_of(path))
        for index, path in enumerate(match_files(folder, patterns))
    )


def _assign_columns(
    features: FeatureSet,
    split_key: str | None,
    source: Source,
    log: tuple[InputFile, ...],
    sides: Mapping[str, tuple[InputFile, ...]],
) -> dict[str, tuple[str, ...]]:
    """Says which table each needed column comes from; the log goes before side tables."""
    available = {"log": log[0].header}
    available |= {name: files[0].header for name, files in sides.items() if files}
    assigned: dict[str, list[str]] = {"log": []}
    of_the_log = {spec.column: f"the {spec.role}" for spec in features.with_role(*ROLES[1:])}
    of_the_log |= dict.fromkeys(flag_columns(features), "`where` of a history")
    needed = needed_columns(features)
    if source.negatives is not None:
        check_context(features, source.negatives, log[0].header)
        needed.pop(source.negatives.label, None)
        for column in (source.negatives.key, source.negatives.item):
            needed.setdefault(column, "the drawing of negatives")
            of_the_log[column] = "what negatives are drawn by"
    if split_key is not None:
        of_the_log[split_key] = "the key of data.split"
        needed.setdefault(split_key, "data.split.key")
    for column, user in needed.items():
        tables = [table for table, header in available.items() if column in header]
        if not tables:
            known = {name for header in available.values() for name in header}
            raise DataError(
                f"{log[0].path} and what joins it have no column {column!r}, which {user} needs. "
                f"{closest(column, known)}"
            )
        if tables[0] != "log" and column in of_the_log:
            raise DataError(
                f"column {column!r}, {of_the_log[column]}, stands in {tables[0]} and not in the "
                "log. Take a column of the log: only its rows have an outcome and a time."
            )
        assigned.setdefault(tables[0], []).append(column)
    for table in source.side_tables:
        if table.name in assigned:
            for name in (table.name, "log"):
                if table.key not in assigned[name]:
                    assigned[name].append(table.key)
    for file in (*log, *(file for name in assigned if name != "log" for file in sides[name])):
        _require(file, assigned[file.table])
    return {table: tuple(names) for table, names in assigned.items()}


def needed_columns(features: FeatureSet) -> dict[str, str]:
    """Column of the raw data -> who needs it, in words."""
    needed: dict[str, str] = {}
    elsewhere = {name for name, each in features.histories.items() if each.events is not None}
    for spec in features.features.values():
        if spec.history not in elsewhere:
            needed.setdefault(spec.column, f"feature {spec.name!r}")
    for name, history in features.histories.items():
        for column in (history.key, *(() if name in elsewhere else history.conditions)):
            needed.setdefault(column, f"history {name!r}")
    return needed


def _require(file: InputFile, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in file.header:
            raise DataError(
                f"{file.path} has no column {column!r}, which is needed. "
                f"{closest(column, file.header)}"
            )
