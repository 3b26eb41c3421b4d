"""Finds a data set's files and checks, before the job starts, that they have what is needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from features.errors import ConfigError, DataError, closest
from features.specs import ROLES, FeatureSet
from pipeline.data.config import DataConfig
from pipeline.data.generate import num_parts
from pipeline.data.read import SUFFIXES, read_header
from pipeline.data.sources import source_named
from pipeline.data.sources.base import File, Source
from pipeline.data.sources.generated import GeneratedRows


@dataclass(frozen=True)
class InputFile:
    """A file that the job reads, or a part of a generated log.

    Args:
        table: `log`, the name of a side table, or `earlier_events`.
        path: Where it lies; for a part, what it is called.
        index: Its place among the files of its table, which are sorted by path.
        header: Names of its columns, in its order.
    """

    table: str
    path: str
    index: int
    header: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    """The files of a data set, and which of their columns the features need.

    Args:
        source: The data set; a generated log knows its number of rows and its seed.
        log: Files of the log, or parts of a generated one.
        side_tables: Side table -> its files, for those that are needed.
        earlier_events: Files of what happened before the log; empty where there are none.
        columns: Table -> needed columns, side tables' keys included.
    """

    source: Source
    log: tuple[InputFile, ...]
    side_tables: Mapping[str, tuple[InputFile, ...]]
    earlier_events: tuple[InputFile, ...]
    columns: Mapping[str, tuple[str, ...]]

    @property
    def files(self) -> tuple[InputFile, ...]:
        """All files that are read: log, side tables, earlier events."""
        log = () if self.generated else self.log
        sides = tuple(file for files in self.side_tables.values() for file in files)
        return log + sides + self.earlier_events

    @property
    def generated(self) -> GeneratedRows | None:
        """The log, where it is computed instead of read."""
        return self.source.log if isinstance(self.source.log, GeneratedRows) else None


def open_inputs(features: FeatureSet, data: DataConfig) -> Inputs:
    """Fetches the data set where it can be, finds its files, reads their headers.

    Raises:
        ConfigError: No such source, or a setting that its rows cannot satisfy.
        DataError: A file is missing, unreadable, or lacks a column.
    """
    source = source_named(data.source)
    if features.timestamp is None and data.split.by == "time":
        raise ConfigError(
            "split.by=time needs a feature with `role: timestamp`, and none has it. Add one, or "
            "set data.split.by to hash."
        )
    if isinstance(source.log, GeneratedRows):
        return _generated(features, source, data)
    if data.rows is not None:
        raise ConfigError(
            f"data.rows={data.rows} is for generated data, and data.source={source.name!r} is read "
            "from files. Remove data.rows."
        )
    folder = _folder(source, data.path)
    log_patterns = data.log or source.log.patterns
    log = _find("log", source.log, folder, log_patterns, source)
    sides = {
        table.name: _find(table.name, table.file, folder, table.file.patterns, source)
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
    return Inputs(source, log, sides, earlier, columns)


def _generated(features: FeatureSet, source: Source, data: DataConfig) -> Inputs:
    """A log that has no files."""
    if data.rows is None or data.path is not None or data.log is not None:
        got = f"rows={data.rows}, path={data.path}, log={data.log}"
        raise ConfigError(
            f"data.source={source.name!r} is generated: it needs data.rows, the number of rows, "
            f"and has no files. Received: {got}. Set data.rows, and remove path and log."
        )
    generated = replace(source.log, rows=data.rows, seed=data.seed)
    source = replace(source, log=generated)
    log = tuple(
        InputFile("log", f"{source.name} part {part}", part, generated.columns)
        for part in range(num_parts(generated))
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


def _find(
    table: str,
    file: File,
    folder: str,
    patterns: Iterable[str],
    source: Source,
    optional: bool = False,
) -> tuple[InputFile, ...]:
    """The files of a table, sorted by path; of a plain and a compressed twin the plain one."""
    found: dict[str, str] = {}
    for pattern in patterns:
        before = len(found)
        for suffix in reversed(SUFFIXES):  # the plain file, found last, replaces its twins
            for path in _match(FileSystems.join(folder, pattern + suffix)):
                found[path.removesuffix(suffix)] = path
        if len(found) == before and not optional:
            # What is fetched may be packed otherwise than on the homepage.
            remedy = f"Download it from {source.homepage} and say where it lies"
            if source.fetch is not None:
                remedy = "Leave data.path out to have it fetched, or say where it lies"
            raise DataError(
                f"{FileSystems.join(folder, pattern)}: no such file ({table} of {source.title}, "
                f"plain or with {', '.join(SUFFIXES[1:])}). {remedy}: --set data.path=FOLDER"
            )
    files = sorted(found.values())
    return tuple(
        InputFile(table, path, index, read_header(file, path)) for index, path in enumerate(files)
    )


def _match(pattern: str) -> list[str]:
    try:
        [matched] = FileSystems.match([pattern])
    except BeamIOError:
        return []
    return [each.path for each in matched.metadata_list]


def _assign_columns(
    features: FeatureSet,
    split_key: str | None,
    source: Source,
    log: tuple[InputFile, ...],
    sides: Mapping[str, tuple[InputFile, ...]],
) -> dict[str, tuple[str, ...]]:
    """Says which table each needed column comes from; the log goes before side tables."""
    available = {"log": log[0].header}
    available |= {name: files[0].header for name, files in sides.items()}
    assigned: dict[str, list[str]] = {"log": []}
    of_the_log = {spec.column: f"the {spec.role}" for spec in features.with_role(*ROLES[1:])}
    of_the_log |= {each.where: "`where` of a history" for each in features.histories.values()}
    needed = needed_columns(features)
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
    for spec in features.features.values():
        needed.setdefault(spec.column, f"feature {spec.name!r}")
    for name, history in features.histories.items():
        for column in filter(None, (history.key, history.where)):
            needed.setdefault(column, f"history {name!r}")
    return needed


def _require(file: InputFile, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in file.header:
            raise DataError(
                f"{file.path} has no column {column!r}, which is needed. "
                f"{closest(column, file.header)}"
            )
