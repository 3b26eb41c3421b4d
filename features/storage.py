"""Files by their path, on this machine or in an object store.

TensorFlow knows the stores, and takes seconds to import: it is imported for them alone.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn


def is_remote(path: str) -> bool:
    """Whether a path leads to an object store, such as `gs://bucket/name`."""
    return "://" in path


def exists(path: str) -> bool:
    """Whether there is a file or a folder."""
    return bool(_stores().exists(path)) if is_remote(path) else os.path.exists(path)


def is_folder(path: str) -> bool:
    """Whether there is a folder."""
    return bool(_stores().isdir(path)) if is_remote(path) else os.path.isdir(path)


def size_of(path: str) -> int:
    """Bytes of a file.

    Raises:
        OSError: There is none.
    """
    if not is_remote(path):
        return os.stat(path).st_size
    with _os_errors(path):
        return int(_stores().stat(path).length)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file to read bytes from.

    Raises:
        OSError: It cannot be read; FileNotFoundError where there is none.
    """
    file = _stores().GFile(path, "rb") if is_remote(path) else open(path, "rb")  # noqa: SIM115
    with file, _os_errors(path):
        yield file


def read_bytes(path: str) -> bytes:
    """What a file holds.

    Raises:
        OSError: It cannot be read; FileNotFoundError where there is none.
    """
    with opened(path) as file:
        return file.read()


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file, in place; `pipeline.system.files` has what is whole or absent."""
    with _stores().GFile(path, "wb") if is_remote(path) else open(path, "wb") as file:
        file.write(content)


def copy(path: str, to: str) -> None:
    """Copies a file; there is none at `to`."""
    if is_remote(path) or is_remote(to):
        _stores().copy(path, to)
    else:
        shutil.copyfile(path, to)


def rename(path: str, to: str) -> None:
    """Gives a file another path in the same storage; a file that is there is replaced."""
    if is_remote(path):
        _stores().rename(path, to, overwrite=True)
    else:
        os.replace(path, to)


def remove(path: str) -> None:
    """Removes a file."""
    if is_remote(path):
        _stores().remove(path)
    else:
        os.remove(path)


def make_folders(path: str) -> None:
    """Makes a folder, and those above it, where they are not there."""
    if is_remote(path):
        _stores().makedirs(path)
    elif path:
        os.makedirs(path, exist_ok=True)


def names_in(path: str) -> list[str]:
    """Names of what lies in a folder.

    Raises:
        OSError: It cannot be listed; FileNotFoundError where there is none.
    """
    if not is_remote(path):
        return os.listdir(path)
    with _os_errors(path):
        return [name.rstrip("/") for name in _stores().listdir(path)]


def files_below(folder: str) -> list[str]:
    """Paths of all files below a folder, relative to it. A link to a folder is a file.

    Raises:
        OSError: A folder of this machine cannot be listed.
    """
    walk = _stores().walk(folder) if is_remote(folder) else os.walk(folder, onerror=_raise)
    return [
        os.path.join(parent, name).removeprefix(folder).lstrip("/")
        for parent, folders, names in walk
        for name in (*names, *(each for each in folders if os.path.islink(f"{parent}/{each}")))
    ]


def _raise(error: OSError) -> NoReturn:
    raise error


def remove_tree(path: str) -> None:
    """Removes a folder, or a file, and what is in it, if it exists."""
    if not exists(path):
        return
    if is_remote(path):
        _stores().rmtree(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def _stores() -> Any:
    import tensorflow as tf  # takes seconds

    return tf.io.gfile


@contextmanager
def _os_errors(path: str) -> Iterator[None]:
    """What TensorFlow raises for a path of a store, as Python does for a file of this machine."""
    if not is_remote(path):
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(error.message) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
