"""What the input files hold: noted before the job reads them, and compared when it has."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from features.bundle import FileEntry, entry_of
from features.errors import DataError
from pipeline.data.sources.input_file import InputFile


class ChangedInputError(DataError):
    """Somebody writes to the input: what was read, or could not be, says nothing of it."""


@dataclass(frozen=True)
class Content:
    """What a file held when it was looked at.

    Args:
        path: Path of the file.
        entry: Its size and checksum.
        modified: When it was last written, in nanoseconds; None where its file system is no local
            one.
    """

    path: str
    entry: FileEntry
    modified: int | None


def contents_of(files: Collection[InputFile]) -> dict[str, Content]:
    """Name -> content of input files, named so that the folder they lie in does not matter.

    Raises:
        DataError: One cannot be read, or has another size than when it was found.
    """
    sizes = {file.path: file.size for file in files}
    contents: dict[str, Content] = {}
    for table, path in sorted({(file.table, file.path) for file in files}):
        name = f"{table}/{os.path.basename(path)}"
        content = contents[path if name in contents else name] = _content(path)
        if sizes[path] not in (None, content.entry.size):
            raise _changed(path)
    return contents


def check_unchanged(contents: Mapping[str, Content]) -> None:
    """Refuses what was read while somebody wrote to it: it is neither the old file nor the new.

    Args:
        contents: What the files held before they were read.

    Raises:
        ChangedInputError: One is not what it was.
        DataError: One cannot be read any more.
    """
    for before in contents.values():
        if _content(before.path) != before:
            raise _changed(before.path)


def _content(path: str) -> Content:
    try:
        modified = None if "://" in path else os.stat(path).st_mtime_ns
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            return Content(path, entry_of(stream), modified)
    except (OSError, BeamIOError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read: {reason}. Make it readable, or give other files."
        ) from None


def _changed(path: str) -> ChangedInputError:
    return ChangedInputError(
        f"{path} changed while the job read it, and no bundle was made. Run it again when nothing "
        "writes to the file, or on a copy."
    )
