"""Finds a data set's files and checks, before the job starts, that they have what is needed."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from apache_beam.io.filesystems import FileSystems

from features.errors import ConfigError, DataError, did_you_mean
from features.specs import ROLES, FeatureSet
from pipeline.data.blocks.accounts import SESSIONS
from pipeline.data.blocks.carried_columns import flag_columns
from pipeline.data.histories.event_needs import needed_events
from pipeline.data.reading.explode import Explode
from pipeline.data.reading.match import match_files, size_of
from pipeline.data.reading.own_files import is_own, open_own_files
from pipeline.data.reading.read import read_header
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import TFDS, source_named
from pipeline.data.sources.base import COMPRESSED, File, Source, TextFile
from pipeline.data.sources.input_file import InputFile
from pipeline.data.sources.parts import RowParts
from pipeline.data.splits.negatives_check import check_context, check_item, check_negatives
from pipeline.data.splits.split_rule import check_split
from pipeline.system.quiet import import_tensorflow

log = logging.getLogger(__name__)


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
        explode: How the log's rows become several, each; `columns` are those of what they become.
    """

    source: Source
    log: tuple[InputFile, ...]
    side_tables: Mapping[str, tuple[InputFile, ...]]
    earlier_events: tuple[InputFile, ...]
    columns: Mapping[str, tuple[str, ...]]
    events: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)
    explode: Explode | None = None

    @property
    def log_columns(self) -> tuple[str, ...]:
        """Names of all columns of the log's rows, as features see them."""
        header = self.log[0].header
        return header if self.explode is None else self.explode.columns_of(header)

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
    source, data = _open_source(data)
    check_split(data, features, source)
    check_negatives(features, data, source)
    of_events = needed_events(features, source)
    inputs = _find_files(source, data, of_events, earlier_events=bool(features.histories))
    inputs = replace(inputs, explode=_explode(inputs, data))
    columns = _assign_columns(features, data.split.key, inputs) | of_events
    side_tables = {name: files for name, files in inputs.side_tables.items() if name in columns}
    inputs = replace(inputs, side_tables=side_tables, columns=columns)
    _require_columns(inputs)
    if source.negatives is not None:
        check_item(features, source.negatives, columns)
    for name in sorted(data.events.keys() - of_events.keys()):
        log.warning(
            "data.events.%s is not read: no history names it. Add `histories: {NAME: {key: %s, "
            "events: %s}}` and a sequence of it.",
            name,
            data.events[name].key,
            name,
        )
    return inputs


def _open_source(data: DataConfig) -> tuple[Source, DataConfig]:
    """The source of a configuration, and its settings with `path` a folder.

    Raises:
        ConfigError: No such source, or settings that do not fit it.
        DataError: Files of the user's own that are missing or unreadable.
    """
    if data.source.startswith(TFDS):
        import_tensorflow()
        from pipeline.data.reading.tfds_rows import open_tfds  # imports tensorflow-datasets

        return open_tfds(data), data
    source = source_named(data.source)
    return open_own_files(source, data) if is_own(source) else (source, data)


def _explode(inputs: Inputs, data: DataConfig) -> Explode | None:
    """How the log's rows become several, as far as its columns allow.

    Raises:
        ConfigError: Settings that do not fit the log.
        DataError: The log lacks a column.
    """
    if data.explode is None:
        return None
    if inputs.source.negatives is not None:
        raise ConfigError(
            f"data.explode is for logs that say what was shown, and data.negatives for logs of "
            f"positives only, as data.source={data.source!r} is taken for one. Remove one of them."
        )
    if SESSIONS in data.tables:
        raise ConfigError(
            f"data.tables names a table {SESSIONS!r}, which is what the rows of the log are called "
            "with data.explode. Give it another name."
        )
    log = inputs.source.log
    is_text = isinstance(log, TextFile)
    explode = Explode(data.explode, log.null_values if isinstance(log, TextFile) else ("",))
    for file in inputs.log:
        explode.check_header(file.path, file.header, is_text)
    return explode


def _find_files(
    source: Source, data: DataConfig, events: Iterable[str], earlier_events: bool
) -> Inputs:
    """All files that may be needed, or the parts of a log without any; no columns yet.

    Args:
        source: The data set.
        data: Its settings.
        events: Event logs that are needed.
        earlier_events: Whether what happened before the log is of use.
    """
    if isinstance(source.log, RowParts):
        parts = source.log.configured(source.name, data)
        log = tuple(
            InputFile("log", f"{source.name} {part.name}", number, parts.columns, part.split)
            for number, part in enumerate(parts.parts())
        )
        return Inputs(replace(source, log=parts), log, {}, (), {})
    if data.rows is not None:
        raise ConfigError(
            f"data.rows={data.rows} is for generated data, and data.source={source.name!r} is read "
            "from files. Remove data.rows."
        )
    folder = _folder(source, data.path)

    def find(table: str, file: File, optional: bool = False) -> tuple[InputFile, ...]:
        return _find(table, file, folder, file.patterns, source, optional)

    log = _find_log(source, source.log, data, folder)
    side_tables = {
        table.name: find(table.name, table.file, table.optional) for table in source.side_tables
    }
    earlier: tuple[InputFile, ...] = ()
    if source.earlier_events is not None and earlier_events:
        earlier = find("earlier_events", source.earlier_events.file, optional=True)
    event_files = {name: find(name, source.events[name].file) for name in events}
    return Inputs(source, log, side_tables, earlier, {}, event_files)


def _folder(source: Source, path: str | None) -> str:
    if path is not None:
        return path
    if source.fetch is None:
        raise DataError(
            f"data.path is not set, and {source.title} cannot be fetched automatically. Download "
            f"it from {source.homepage} and say where it lies: --set data.path=FOLDER"
        )
    return source.fetch()


def _find_log(source: Source, log: File, data: DataConfig, folder: str) -> tuple[InputFile, ...]:
    """The log's files; with `split.by: files` each knows its split."""
    if data.split.by != "files":
        return _find("log", log, folder, data.log or log.patterns, source)
    files = [
        replace(file, split=split)
        for split, patterns in source.patterns_of_splits(data.split.files).items()
        for file in _find("log", log, folder, patterns, source)
    ]
    files.sort(key=lambda file: file.path)
    for one, other in pairwise(files):
        if one.path == other.path:
            raise ConfigError(
                f"{one.path} belongs to the splits {one.split} and {other.split}. Give each split "
                "files of its own; validation rows that are the test rows come from "
                "data.split.validation=published."
            )
    return tuple(replace(file, index=index) for index, file in enumerate(files))


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
    features: FeatureSet, split_key: str | None, inputs: Inputs
) -> dict[str, tuple[str, ...]]:
    """Says which table each needed column comes from; the log goes before side tables."""
    source, log = inputs.source, inputs.log
    available = {"log": inputs.log_columns}
    available |= {name: files[0].header for name, files in inputs.side_tables.items() if files}
    assigned: dict[str, list[str]] = {"log": []}
    needed, of_the_log = _all_needed_columns(features, split_key, inputs)
    for column, user in needed.items():
        tables = [table for table, header in available.items() if column in header]
        if not tables:
            known = {name for header in available.values() for name in header}
            raise DataError(
                f"{log[0].path} and what joins it have no column {column!r}, which {user} needs. "
                f"{did_you_mean(column, known)}"
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
    return {table: tuple(names) for table, names in assigned.items()}


def _all_needed_columns(
    features: FeatureSet, split_key: str | None, inputs: Inputs
) -> tuple[dict[str, str], dict[str, str]]:
    """Column -> who needs it; column that must stand in the log -> what it is there."""
    of_the_log = {spec.column: f"the {spec.role}" for spec in features.with_role(*ROLES[1:])}
    of_the_log |= dict.fromkeys(flag_columns(features), "`where` of a history")
    needed = needed_columns(features)
    negatives = inputs.source.negatives
    if negatives is not None:
        check_context(features, negatives, inputs.log[0].header)
        needed.pop(negatives.label, None)
        for column in (negatives.key, negatives.item):
            needed.setdefault(column, "the drawing of negatives")
            of_the_log[column] = "what negatives are drawn by"
    if split_key is not None:
        of_the_log[split_key] = "the key of data.split"
        needed.setdefault(split_key, "data.split.key")
    return needed, of_the_log


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


def _require_columns(inputs: Inputs) -> None:
    """Refuses a file that lacks a column of its table; the first file alone was looked at."""
    required: dict[str, tuple[str, ...]] = dict(inputs.columns)
    if inputs.explode is not None:
        required["log"] = inputs.explode.raw_columns(inputs.columns["log"])
    if (earlier := inputs.source.earlier_events) is not None:
        required["earlier_events"] = (earlier.key, earlier.until, *earlier.lists.values())
    for file in inputs.files:
        for column in required[file.table]:
            if column not in file.header:
                events = f"the events {file.table!r} need" if file.table in inputs.events else ""
                raise DataError(
                    f"{file.path} has no column {column!r}, which {events or 'is needed'}. "
                    f"{did_you_mean(column, file.header)}"
                )
