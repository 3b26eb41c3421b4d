"""Files of jobs, local or in an object store: complete under their name, or absent."""

import json
import os
import uuid
from collections.abc import Callable
from typing import Any

from features import storage
from features.publish import publish


def write_complete(path: str, write: Callable[[str], None]) -> None:
    """Has `write` fill a file of another name, then gives it its own.

    Whoever retries, or is retried, leaves at `path` one whole file, and never a part of one.

    Args:
        path: Path of the file. An older one is replaced.
        write: Called with the path to write to.
    """
    temporary = f"{path}.part-{uuid.uuid4().hex}"
    storage.make_folders(os.path.dirname(path))
    try:
        write(temporary)
        move_file(temporary, path)
    except BaseException:
        if storage.exists(temporary):
            storage.remove(temporary)
        raise


def move_file(path: str, to: str) -> None:
    """Gives a finished file another path in the same storage; one that is there is replaced."""
    if storage.is_remote(path):
        storage.rename(path, to)
    else:
        publish(path, to)


def write_text(path: str, text: str) -> None:
    """Writes a text file as UTF-8."""
    write_complete(path, lambda temporary: storage.write_bytes(temporary, text.encode()))


def write_json(path: str, content: Any) -> None:
    """Writes indented JSON; the same content always gives the same bytes."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str) -> Any:
    """Reads a JSON file."""
    return json.loads(storage.read_bytes(path))


def folder_exists(path: str) -> bool:
    """Whether there is a folder, or file, of exactly this name.

    Asked for a folder, some stores say yes to any longer name that begins like it.
    """
    parent, name = os.path.split(path.rstrip("/"))
    if not storage.is_remote(path):
        return storage.exists(path)
    try:
        return name in storage.names_in(parent)
    except FileNotFoundError:
        return False


def move_folder(path: str, to: str, last: str) -> None:
    """Gives a folder another name: at once, or file by file where folders are parts of names.

    Args:
        path: Path of the folder.
        to: New path of the folder; nothing lies there.
        last: The file in it that moves when all others have.
    """
    if not storage.is_remote(path):
        publish(path, to)
        return
    for name in sorted(storage.files_below(path), key=lambda name: (name == last, name)):
        storage.make_folders(os.path.dirname(os.path.join(to, name)))
        storage.rename(os.path.join(path, name), os.path.join(to, name))
    storage.remove_tree(path)
