"""Names by which TensorFlow tells vocabulary files apart."""

import os
import threading

from features import storage

_seen: dict[str, list[tuple[int, ...]]] = {}  # path -> what lay there, in the order of its coming
_lock = threading.Lock()


def name_of_vocabulary(path: str) -> str:
    """A name of a vocabulary file that no other content had in this process.

    TensorFlow keeps the table of a file for the life of the process, by the file's name, and never
    looks at the file again: where a bundle was replaced, the second one's tokens would get the
    first one's ids, without a word. The second content of a path is called `folder/./file`, the
    third `folder/././file`. An object store has no such names: there a path is what it is.

    Args:
        path: Path of the file.

    Returns:
        A path of the same file.
    """
    if storage.is_remote(path):
        return path
    status = os.stat(path)
    content = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    with _lock:
        there = _seen.setdefault(os.path.abspath(path), [])
        if content not in there:
            there.append(content)
        place = there.index(content)
    folder, name = os.path.split(path)
    return os.path.join(folder, *["."] * place, name)
