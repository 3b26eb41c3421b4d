"""Output that appears whole or not at all: a file, the standard output, a device or a pipe."""

import gzip
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, BinaryIO, Literal, TextIO, cast

from features.errors import DataError
from features.publish import publish

_SPOOL_BYTES = 64 << 20  # kept in memory before it goes to a temporary file

_Mode = Literal["w", "wb"]
_APPENDING = {"w": "a", "wb": "ab"}


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Takes text, which goes where it belongs when the block ends without an error.

    A file is written beside and renamed. Links are followed, and what is no file, such as a
    device or a pipe, is written through: nothing replaces it. So is the file that the standard
    output goes to, as by the name /dev/stdout, behind what it holds.

    Args:
        path: Where to write, compressed where it ends in .gz; None for the standard output.

    Raises:
        DataError: It cannot be written.
    """
    if path is None:
        with _spooled(sys.stdout, "w") as file:
            yield cast(TextIO, file)
        return
    with _written(path, "w") as file:
        yield cast(TextIO, file)


@contextmanager
def open_binary_output(path: str) -> Iterator[BinaryIO]:
    """The same for bytes, which are never compressed here."""
    with _written(path, "wb") as file:
        yield cast(BinaryIO, file)


@contextmanager
def _written(path: str, mode: _Mode) -> Iterator[IO]:
    try:
        with _through(path, mode) if _must_stay(path) else _beside(path, mode) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}. Give another output."
        ) from None


def _must_stay(path: str) -> bool:
    """Whether no other file may get the name: it is none, or this process writes to it already."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(there.st_mode) or any(_leads_to(there, fd) for fd in (1, 2))


def _leads_to(there: os.stat_result, descriptor: int) -> bool:
    try:
        return os.path.samestat(there, os.fstat(descriptor))
    except OSError:  # it is closed
        return False


@contextmanager
def _through(path: str, mode: _Mode) -> Iterator[IO]:
    with _opened(path, path, _APPENDING[mode]) as target, _spooled(target, mode) as file:
        yield file


@contextmanager
def _beside(path: str, mode: _Mode) -> Iterator[IO]:
    folder, name = os.path.split(os.path.realpath(path))
    beside = os.path.join(folder, f".{name}.{secrets.token_hex(8)}")
    try:
        with _opened(beside, path, mode) as file:
            yield file
        publish(beside, os.path.join(folder, name))
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _opened(path: str, name: str, mode: str) -> AbstractContextManager[IO]:
    if not mode.endswith("b") and name.endswith(".gz"):
        return cast(IO, gzip.open(path, f"{mode}t"))
    return open(path, mode)


@contextmanager
def _spooled(target: IO, mode: _Mode) -> Iterator[IO]:
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, f"{mode}+") as file:
        yield cast(IO, file)  # has all of its methods
        file.seek(0)
        shutil.copyfileobj(file, target)
