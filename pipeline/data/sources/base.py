"""What a data set is made of: the files that its owners publish, and how they join."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.data.sources.parts import RowParts

COMPRESSED = (".gz", ".bz2", ".xz")  # endings of compressed files
SUFFIXES = ("", *COMPRESSED)


def without_compression(path: str) -> str:
    """The name that a file has unpacked."""
    for suffix in COMPRESSED:
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    return path


@dataclass(frozen=True)
class TextFile:
    """Delimited text files, a row a record, the names of the columns in the first line.

    A line break inside quotes belongs to its value.

    Args:
        patterns: Globs relative to the data set's folder. A file also matches with `.gz`, `.bz2`
            or `.xz` behind its name; where it lies there plain and compressed, the plain one is
            read.
        delimiter: One ASCII character, or several such as `::`, between values that nothing
            quotes.
        quoting: Whether `"` quotes values. Off, it is a character as any other.
        encoding: Encoding of the text, one in which ASCII characters are single bytes of their own.
        typed_header: Header names carry a type behind a colon, `user_id:token`, that is cut off.
        columns: Names of the columns, for files without a header line.
        rename: Name in the file -> name in feature specs.
        null_values: Texts that mean "missing".
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    delimiter: str = ","
    quoting: bool = True
    typed_header: bool = False
    columns: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    null_values: tuple[str, ...] = ("",)
    encoding: str = "utf-8"
    partitions: tuple[str, ...] = ()

    def __post_init__(self):
        if len(self.delimiter) > 1 and self.quoting:
            raise ValueError(
                "TextFile: values between delimiters of several characters cannot be quoted. "
                f"Received: delimiter={self.delimiter!r}, quoting=True. Set quoting=False."
            )
        codecs.lookup(self.encoding)


@dataclass(frozen=True)
class ParquetFile:
    """Parquet files. Values that are not lists are read as text, as from a text file.

    Args:
        patterns: Globs relative to the data set's folder.
        rename: Name in the file -> name in feature specs.
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    rename: Mapping[str, str] = field(default_factory=dict)
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class VectorFile:
    """Given vectors of one length, a row each, for a side table.

    In `.npy` a matrix whose row number, from 0, is the key; in `.h5` two datasets, `key` with the
    keys and `value` with their vectors.

    Args:
        patterns: Globs relative to the data set's folder, ending in `.npy` or `.h5`.
        key: What feature specs call the column of keys.
        vector: What they call the column of vectors; read it as an `embedding`.
    """

    patterns: tuple[str, ...]
    key: str
    vector: str


@dataclass(frozen=True)
class JsonLinesFile:
    """Text files with a JSON object a line, in UTF-8. Values are read as text; null is missing.

    A line that is no object, or that has another kind of value than declared, is rejected.

    Args:
        patterns: Globs relative to the data set's folder; compressed files match as those of a
            `TextFile` do.
        columns: Name in feature specs -> key in the object, or the keys that lead to it from the
            outside in. A key that an object lacks is a missing value.
        picks: Column -> what stands there, where it is not one value. `list`: a list of values,
            which stays one. `last_of_last`: a list of lists, such as paths in a tree of
            categories, of which the last value of the last list is taken.
        python_literals: Lines are written as Python writes a dict, with single quotes and None.
        longest_line: Bytes; longer lines are rejected unread.
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    columns: Mapping[str, str | tuple[str, ...]]
    picks: Mapping[str, Literal["list", "last_of_last"]] = field(default_factory=dict)
    python_literals: bool = False
    longest_line: int = 1 << 20
    partitions: tuple[str, ...] = ()

    def __post_init__(self):
        for column in self.picks:
            if column not in self.columns:
                raise ValueError(
                    f"JsonLinesFile: picks name column {column!r}, which is not declared. "
                    f"Received: columns {', '.join(self.columns)}. Declare it, or remove the pick."
                )

    @property
    def encoding(self) -> str:
        return "utf-8"


@dataclass(frozen=True)
class RecordFile:
    """ORC or Avro files, which name their columns themselves. Values are read as text.

    Args:
        patterns: Globs relative to the data set's folder.
        format: Which of the two.
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    format: Literal["orc", "avro"]
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExampleColumn:
    """A feature of tf.train.Examples.

    Args:
        type: Of its values.
        is_list: Whether an Example may have several of them.
    """

    type: Literal["bytes", "float", "int64"]
    is_list: bool


@dataclass(frozen=True)
class ExampleFile:
    """TFRecord files of tf.train.Examples, plain or compressed by gzip. Values are read as text.

    A feature that an Example lacks, or has without a value, is missing. An Example with several
    values of a feature that is no list, or with values of another type, is rejected.

    Args:
        patterns: Globs relative to the data set's folder.
        columns: The features.
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    columns: Mapping[str, ExampleColumn]
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairsFile:
    """Text of a label and of pairs or triples a line: libsvm's `label index:value ...`, libffm's
    `label field:index:value ...`.

    Columns of libsvm are `label`, `indices` (a list) and, where they are declared, `values` (a
    list), `qid`, and `x7`, the value of index 7, 0 where a line lacks it. Those of libffm are
    `label` and, for each field that is declared, `field_7`, its index or indices, and `value_7`,
    the value or values; both are missing where a line lacks the field.

    Args:
        patterns: Globs relative to the data set's folder; compressed files match as those of a
            `TextFile` do.
        format: Which of the two.
        columns: Name -> whether a line may have several values of it.
        partitions: Columns whose values are not in a file but in the names of the folders that it
            lies in, `dt=2026-11-01`.
    """

    patterns: tuple[str, ...]
    format: Literal["libsvm", "libffm"]
    columns: Mapping[str, bool]
    partitions: tuple[str, ...] = ()

    @property
    def encoding(self) -> str:
        return "utf-8"


LineFile = TextFile | JsonLinesFile | PairsFile
File = LineFile | ParquetFile | RecordFile | ExampleFile | VectorFile


@dataclass(frozen=True)
class SideTable:
    """A table with one row a key, whose columns are added to each row of the log.

    A row of the log without a match gets missing values. Of several rows with the same key the
    first counts, and the others are rejected.

    Args:
        name: What messages and counters call it.
        file: Where it lies.
        key: Column that the log has too.
        optional: Whether the data set is complete without it.
    """

    name: str
    file: File
    key: str
    optional: bool = False


@dataclass(frozen=True)
class EventLog:
    """Events that are no examples, such as views and purchases beside a log of shown ads.

    Histories that name it are collected from its events instead of the log's rows. `where`, and
    the columns of their sequences, are columns of its own.

    Args:
        file: Where it lies. It may be far larger than the log.
        key: Column that the log has too, and that histories are kept by.
        time: Column of an event's time, a whole number.
        unit: Unit of that time; None takes that of the log's timestamp.
    """

    file: File
    key: str
    time: str
    unit: Literal["s", "ms"] | None = None


@dataclass(frozen=True)
class EarlierEvents:
    """What happened before the log began: for each key, lists of events, oldest first.

    The lists hold everything known of a key up to a time, so they replace the events of the log
    up to that time, for examples later than it. Earlier examples see the log's events alone.

    Args:
        file: Where it lies. A data set without it is complete.
        key: Column that histories are kept by.
        until: Time of the last event, in the unit of the log's timestamp.
        item: Column of the log whose values the lists hold.
        lists: `where` of a history (None: all rows count) -> column that lists its events.
    """

    file: File
    key: str
    until: str
    item: str
    lists: Mapping[str | None, str]


@dataclass(frozen=True)
class Negatives:
    """A log that holds positives only: what did not happen is drawn, `data.negatives` says how.

    Each event becomes an example of label 1, and of some more with label 0 that have an item
    instead which the key's owner never touched. An item's own properties must come from a side
    table, so that they are those of the drawn one.

    Args:
        key: Column of the log whose value the events of one user share.
        item: Column of the log with what was chosen.
        label: Name of the label's column, which the log does not have.
        context: Further columns of the log that hold for the examples of label 0 too, such as
            the user's age. The key and the timestamp need no mention.
    """

    key: str
    item: str
    label: str = "label"
    context: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set in the layout that its owners publish.

    Args:
        name: What `data.source` calls it.
        title: Name in reports.
        homepage: Where to download it.
        terms: Licence, in a line.
        log: The rows that become examples: files, or rows that are computed.
        side_tables: Joined to the log in this order.
        earlier_events: See `EarlierEvents`.
        events: Name -> events that are no examples, for histories to be collected from.
        splits: Split -> globs of the log files that hold it, where the publisher tells them apart;
            `valid` may be missing. None: the files tell nothing.
        negatives: See `Negatives`; None where the log says what was not chosen.
        fetch: Gets the files and returns their folder; None where the user must download them.
    """

    name: str
    title: str
    homepage: str
    terms: str
    log: File | RowParts
    side_tables: tuple[SideTable, ...] = ()
    earlier_events: EarlierEvents | None = None
    events: Mapping[str, EventLog] = field(default_factory=dict)
    splits: Mapping[str, tuple[str, ...]] | None = None
    negatives: Negatives | None = None
    fetch: Callable[[], str] | None = None

    @property
    def log_patterns(self) -> tuple[str, ...]:
        """Globs of the log's files; none where it comes in parts."""
        return () if isinstance(self.log, RowParts) else self.log.patterns

    def patterns_of_splits(
        self, given: Mapping[Any, tuple[str, ...]] | None
    ) -> Mapping[str, tuple[str, ...]]:
        """Split -> globs of the log files that hold it; empty where nobody says.

        Args:
            given: What the settings say, `data.split.files`; it replaces the publisher's.
        """
        return given or self.splits or {}
