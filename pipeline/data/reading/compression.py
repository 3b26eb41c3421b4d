"""Endings of compressed files."""

COMPRESSED = (".gz", ".bz2", ".xz")
SUFFIXES = ("", *COMPRESSED)


def without_compression(path: str) -> str:
    """The name that a file has unpacked."""
    for suffix in COMPRESSED:
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    return path
