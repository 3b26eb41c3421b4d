"""A file of a data set, as it was found."""

from dataclasses import dataclass


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
        start: First byte, row group or stripe of a part of it; see `pipeline.data.reading.ranges`.
        stop: First one behind the part; None reads to the end.
        newlines: Line breaks, or rows of an ORC file, before the part.
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
