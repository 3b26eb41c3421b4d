"""Paths that a pattern matches, in any file system that Beam knows."""

import os
import re
from collections.abc import Iterable

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline.data.sources.base import SUFFIXES, without_compression

_PARTITION_DEPTH = 4
# What lies beside a log and describes it, whatever its ending.
_DOCUMENTS = re.compile(
    r"(readme|licen[cs]e|changelog|notice|copying|authors|contributing|requirements)([._ -].*)?",
    re.IGNORECASE,
)


def match_paths(pattern: str) -> list[str]:
    """Paths of the files that match a glob pattern, in no particular order; often none."""
    try:
        [matched] = FileSystems.match([pattern])
    except BeamIOError:
        return []
    return [each.path for each in matched.metadata_list]


def match_files(folder: str, patterns: Iterable[str]) -> list[str]:
    """Files of the folder that match, plain or compressed, sorted.

    Each stands there once, however many patterns match it; of a plain file and its compressed
    twin the plain one does.
    """
    twins_of: dict[str, set[str]] = {}
    for pattern in patterns:
        for suffix in SUFFIXES:
            for path in match_paths(FileSystems.join(folder, pattern + suffix)):
                twins_of.setdefault(without_compression(path), set()).add(path)
    return sorted(
        min(twins, key=lambda path: SUFFIXES.index(path.removeprefix(plain)))
        for plain, twins in twins_of.items()
    )


def match_log(folder: str, patterns: Iterable[str]) -> list[str]:
    """Files of a folder that may be a log, and those of its Hive partitions, sorted.

    A `README.txt`, a licence, and what begins with a dot or an underscore are none.
    """
    levels = [""]
    if not os.path.isdir(folder) or any("=" in name for name in os.listdir(folder)):
        levels += ["*=*/" * depth for depth in range(1, _PARTITION_DEPTH + 1)]
    nested = [level + pattern for level in levels for pattern in patterns]
    return [path for path in match_files(folder, nested) if not _is_beside(os.path.basename(path))]


def _is_beside(name: str) -> bool:
    return name.startswith((".", "_")) or bool(_DOCUMENTS.fullmatch(name))


def size_of(path: str) -> int | None:
    """Bytes of a file; None where its file system does not tell."""
    try:
        return FileSystems.get_filesystem(path).size(path)
    except BeamIOError:
        return None
