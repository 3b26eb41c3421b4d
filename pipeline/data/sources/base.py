"""What a data set is made of: the files that its owners publish, and how they join."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.data.sources.generated import GeneratedRows


@dataclass(frozen=True)
class TextFile:
    """Delimited text files, a row a line, the names of the columns in the first line.

    Line breaks inside quotes are not read: such lines are rejected, never merged.

    Args:
        patterns: Globs relative to the data set's folder. A file also matches with `.gz`, `.bz2`
            or `.xz` behind its name; where it lies there plain and compressed, the plain one is
            read.
        delimiter: One ASCII character, or several such as `::`, between values that nothing
            quotes.
        quoting: Whether `"` quotes values. Off, it is a character as any other.
        encoding: Of the text; one in which ASCII characters are single bytes of their own.
        typed_header: Header names carry a type behind a colon, `user_id:token`, that is cut off.
        columns: Names of the columns, for files without a header line.
        rename: Name in the file -> name in feature specs.
        null_values: Texts that mean "missing".
    """

    patterns: tuple[str, ...]
    delimiter: str = ","
    quoting: bool = True
    typed_header: bool = False
    columns: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    null_values: tuple[str, ...] = ("",)
    encoding: str = "utf-8"

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
    """

    patterns: tuple[str, ...]
    rename: Mapping[str, str] = field(default_factory=dict)


File = TextFile | ParquetFile


@dataclass(frozen=True)
class SideTable:
    """A table with one row a key, whose columns are added to each row of the log.

    A row of the log without a match gets missing values. Of several rows with the same key the
    first counts, and the others are rejected.

    Args:
        name: What messages and counters call it.
        file: Where it lies.
        key: Column that the log has too.
    """

    name: str
    file: File
    key: str


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
        fetch: Gets the files and returns their folder; None where the user must download them.
    """

    name: str
    title: str
    homepage: str
    terms: str
    log: File | GeneratedRows
    side_tables: tuple[SideTable, ...] = ()
    earlier_events: EarlierEvents | None = None
    fetch: Callable[[], str] | None = None
