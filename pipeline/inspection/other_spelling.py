"""Columns that are one under two names, such as a key that some writer of a log misspells."""

import difflib
from collections.abc import Iterable

import numpy as np

from pipeline.inspection.facts import Facts

_ALIKE = 0.75  # of difflib's ratio of two names
_COVERED = 0.99  # share of the rows that have the one or the other


def other_spelling(facts: Facts, others: Iterable[Facts]) -> str | None:
    """Why a column is no feature, where one of nearly its name has what it lacks; else None.

    The one that fewer rows have is the misspelt one. No row has both, and nearly all have either.

    Args:
        facts: Facts of the column.
        others: Facts of all columns.
    """
    present = facts.codes >= 0
    for other in others:
        there = other.codes >= 0
        if (
            present.any()
            and present.sum() < there.sum()
            and not np.any(present & there)
            and (present | there).mean() >= _COVERED
            and _alike(facts.name, other.name)
        ):
            return (
                f"in {100 * present.mean():.2g} % of the rows, all of which lack {other.name}: "
                "perhaps one name in two spellings. Give it one name in the log"
            )
    return None


def _alike(name: str, other: str) -> bool:
    first, second = name.casefold(), other.casefold()
    return difflib.SequenceMatcher(None, first, second).ratio() >= _ALIKE
