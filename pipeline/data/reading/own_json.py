"""JSON lines of the user's own: the columns are the keys that the first lines have."""

import json
from typing import Any, Literal

from features.errors import DataError
from pipeline.data.reading.read import DAMAGED, open_file
from pipeline.data.sources.base import JsonLinesFile

_LINES = 1_000


def json_lines_file(path: str, patterns: tuple[str, ...]) -> JsonLinesFile:
    """How the JSON lines at `path` are read: a key `b` inside of `a` is the column `a/b`.

    Args:
        path: One of the files, whose first 1,000 lines are looked at.
        patterns: Of all of them.

    Raises:
        DataError: The file cannot be read, or its first lines hold no object.
    """
    keys: dict[tuple[str, ...], bool] = {}  # whether a list stands there
    try:
        with open_file(path) as stream:
            for _ in range(_LINES):
                line = stream.readline(1 << 20)
                if not line:
                    break
                _add_keys(keys, _object(line))
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    if not keys:
        raise DataError(
            f"{path} holds no JSON object in its first {_LINES:,} lines. Expected one a line; set "
            "data.source to what the file is."
        )
    columns = {"/".join(key): key for key in keys}
    picks: dict[str, Literal["list"]] = {
        "/".join(key): "list" for key, is_list in keys.items() if is_list
    }
    return JsonLinesFile(patterns, columns, picks)


def _object(line: bytes) -> dict[str, Any]:
    """What a line holds; nothing where it is no object, as the job will say of each such line."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _add_keys(
    keys: dict[tuple[str, ...], bool], content: dict[str, Any], outer: tuple[str, ...] = ()
) -> None:
    for name, value in content.items():
        if isinstance(value, dict):
            _add_keys(keys, value, (*outer, name))
        else:
            place = (*outer, name)
            keys[place] = keys.get(place, False) or isinstance(value, list)
