"""Parquet files: which row groups are read together."""

from collections.abc import Sequence

import pyarrow.parquet as pq


def row_counts(metadata: pq.FileMetaData) -> list[int]:
    """Rows of each row group."""
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def groups_of(sizes: Sequence[int], at_least: int) -> list[tuple[int, int]]:
    """Puts neighbours together until they reach a size; what is large enough stays alone.

    Args:
        sizes: Rows, or bytes, of each.
        at_least: Size of a group; the last one may be smaller.

    Returns:
        First of each group, and the first behind it.
    """
    groups, first, together = [], 0, 0
    for index, size in enumerate(sizes):
        together += size
        if together >= at_least:
            groups.append((first, index + 1))
            first, together = index + 1, 0
    if first < len(sizes):
        groups.append((first, len(sizes)))
    return groups
