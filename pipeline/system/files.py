"""Files of jobs, local or in an object store: complete under their name, or absent."""

import json
import os
import uuid
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from features.publish import publish


def write_complete(path: str, write: Callable[[str], None]) -> None:
    """Has `write` fill a file of another name, then gives it its own.

    Whoever retries, or is retried, leaves at `path` one whole file, and never a part of one.

    Args:
        path: Path of the file. An older one is replaced.
        write: Called with the path to write to.
    """
    temporary = f"{path}.part-{uuid.uuid4().hex}"
    tf.io.gfile.makedirs(os.path.dirname(path))
    try:
        write(temporary)
        if "://" in path:
            tf.io.gfile.rename(temporary, path, overwrite=True)
        else:
            publish(temporary, path)
    except BaseException:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)
        raise


def write_text(path: str, text: str) -> None:
    """Writes a text file as UTF-8."""

    def write(temporary: str) -> None:
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(text.encode())

    write_complete(path, write)


def write_json(path: str, content: Any) -> None:
    """Writes indented JSON; the same content always gives the same bytes."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str) -> Any:
    """Reads a JSON file."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return json.loads(file.read())


def folder_exists(path: str) -> bool:
    """Whether there is a folder, or file, of exactly this name.

    Asked for a folder, some stores say yes to any longer name that begins like it.
    """
    parent, name = os.path.split(path.rstrip("/"))
    if "://" not in path:
        return tf.io.gfile.exists(path)
    try:
        return name in {child.rstrip("/") for child in tf.io.gfile.listdir(parent)}
    except tf.errors.NotFoundError:
        return False


def move_folder(path: str, to: str, last: str) -> None:
    """Gives a folder another name: at once, or file by file where folders are parts of names.

    Args:
        path: Path of the folder.
        to: New path of the folder; nothing lies there.
        last: The file in it that moves when all others have.
    """
    if "://" not in path:
        publish(path, to)
        return
    for name in sorted(files_below(path), key=lambda name: (name == last, name)):
        tf.io.gfile.makedirs(os.path.dirname(os.path.join(to, name)))
        tf.io.gfile.rename(os.path.join(path, name), os.path.join(to, name), overwrite=True)
    remove_tree(path)


def files_below(folder: str) -> list[str]:
    """Paths of all files below a folder, relative to it."""
    return [
        os.path.join(parent, name).removeprefix(folder).lstrip("/")
        for parent, _, names in tf.io.gfile.walk(folder)
        for name in names
    ]


def remove_tree(path: str) -> None:
    """Removes a folder and what is in it, if it exists."""
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)
