"""Paths that a pattern matches, in any file system that Beam knows."""

from collections.abc import Iterable

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline.data.sources.base import SUFFIXES, without_compression


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


def size_of(path: str) -> int | None:
    """Bytes of a file; None where its file system does not tell."""
    try:
        return FileSystems.get_filesystem(path).size(path)
    except BeamIOError:
        return None
