"""Files and folders get their name when all that is in them is on the disk, never before."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path


def publish(written: str | Path, name: str | Path) -> None:
    """Renames a finished file or folder, so that it survives a loss of power whole or not at all.

    A rename may reach the disk before the content does, and leave an empty file under the name.

    Args:
        written: Local file or folder, in the same file system as its new name.
        name: What it is called from now on. A file, or an empty folder, of that name is replaced.

    Raises:
        OSError: It cannot be renamed, as onto a folder that has content, or the disk is full.
    """
    for path in _below(str(written)):
        to_disk(path)
    os.replace(written, name)
    to_disk(os.path.dirname(os.path.abspath(name)))


def to_disk(path: str | Path) -> None:
    """Returns when what was written to a file, or the names in a folder, survive a loss of power.

    Raises:
        OSError: The disk is full or fails.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(descriptor)


def _below(path: str) -> Iterator[str]:
    """A file; or the files of a folder, and then itself."""
    for folder, _, names in os.walk(path, topdown=False):
        yield from (os.path.join(folder, name) for name in names)
        yield folder
    if not os.path.isdir(path):
        yield path
