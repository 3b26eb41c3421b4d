"""JSON lines of the user's own: the columns are the keys that the first lines have."""

import json
from typing import Any, Literal

from features.errors import DataError
from pipeline.data.reading.read import DAMAGED, open_file
from pipeline.data.sources.base import JsonLinesFile

Kind = Literal["value", "list", "nested"]
_KINDS: tuple[Kind, ...] = ("value", "list", "nested")  # a later one goes before
_LINES = 1_000


def json_lines_file(path: str, patterns: tuple[str, ...]) -> JsonLinesFile:
    """How the JSON lines at `path` are read: a key `b` inside of `a` is the column `a/b`.

    Args:
        path: One of the files, whose first 1,000 lines are looked at.
        patterns: Patterns of all files.

    Raises:
        DataError: The file cannot be read, or its first lines hold no object.
    """
    keys = _keys(path)
    columns = {"/".join(key): key for key, kind in keys.items() if kind != "nested"}
    picks: dict[str, Literal["list"]] = {
        "/".join(key): "list" for key, kind in keys.items() if kind == "list"
    }
    if not columns:
        raise DataError(
            f"{path} holds no JSON object in its first {_LINES:,} lines. Expected one a line; set "
            "data.source to what the file is."
        )
    return JsonLinesFile(patterns, columns, picks)


def nested_columns(path: str) -> tuple[str, ...]:
    """Columns of JSON lines that hold lists of lists or of objects, which are no columns here.

    Raises:
        DataError: The file cannot be read.
    """
    return tuple("/".join(key) for key, kind in _keys(path).items() if kind == "nested")


def _keys(path: str) -> dict[tuple[str, ...], Kind]:
    """The keys of a file's first lines, and what stands there."""
    keys: dict[tuple[str, ...], Kind] = {}
    try:
        with open_file(path) as stream:
            for _ in range(_LINES):
                line = stream.readline(1 << 20)
                if not line:
                    break
                _add_keys(keys, _object(line))
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    return keys


def _object(line: bytes) -> dict[str, Any]:
    """What a line holds; nothing where it is no object, as the job will say of each such line."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _add_keys(
    keys: dict[tuple[str, ...], Kind], content: dict[str, Any], outer: tuple[str, ...] = ()
) -> None:
    for name, value in content.items():
        if isinstance(value, dict):
            _add_keys(keys, value, (*outer, name))
            continue
        place = (*outer, name)
        kind: Kind = "value"
        if isinstance(value, list):
            kind = "nested" if any(isinstance(step, list | dict) for step in value) else "list"
        keys[place] = max(keys.get(place, "value"), kind, key=_KINDS.index)
