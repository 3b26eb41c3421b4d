"""Hive partitions: folders such as `dt=2026-11-01`, whose names are a column of their files."""

from urllib.parse import unquote

_MISSING = "__HIVE_DEFAULT_PARTITION__"


def partition_names(folder: str, path: str) -> tuple[str, ...]:
    """The columns that the folders between a log's folder and one of its files are named after.

    Args:
        folder: The log's folder.
        path: A file in it.
    """
    between = relative_path(folder, path).split("/")[:-1]
    return tuple(part.partition("=")[0] for part in between if _is_partition(part))


def partition_value(path: str, name: str) -> str | None:
    """What all rows of a file have in the column of a partition; None where it is missing."""
    for part in reversed(_slashes(path).split("/")[:-1]):
        if _is_partition(part) and part.partition("=")[0] == name:
            value = unquote(part.partition("=")[2])
            return None if value in ("", _MISSING) else value
    return None


def relative_path(folder: str, path: str) -> str:
    """The path of a file as seen from a folder that it lies in."""
    return _slashes(path).removeprefix(_slashes(folder).rstrip("/")).lstrip("/")


def _is_partition(part: str) -> bool:
    return bool(part.partition("=")[0]) and "=" in part


def _slashes(path: str) -> str:
    return path.replace("\\", "/")
