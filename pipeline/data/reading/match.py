"""Paths that a pattern matches, in any file system that Beam knows."""

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems


def match_paths(pattern: str) -> list[str]:
    """Paths of the files that match a glob pattern, in no particular order; often none."""
    try:
        [matched] = FileSystems.match([pattern])
    except BeamIOError:
        return []
    return [each.path for each in matched.metadata_list]


def size_of(path: str) -> int | None:
    """Bytes of a file; None where its file system does not tell."""
    try:
        return FileSystems.get_filesystem(path).size(path)
    except BeamIOError:
        return None
