"""Whole numbers that may be tokens or quantities: both are tried, the better one is proposed."""

import math

import numpy as np

from pipeline.inspection.column import Column
from pipeline.inspection.column_names import ID, ITEM, QUANTITY, TYPE, USER, hints, numbered_kind
from pipeline.inspection.facts import Facts
from pipeline.inspection.kinds import FEW, as_quantity, as_tokens
from pipeline.inspection.leaks import held_out_auc

_BUCKETS = 20  # of a quantity
_LEAST_ROWS = 1_000
_GAIN = 0.005  # AUC that the other kind must give more,
_GAIN_OVER_NAME = 0.02  # and more than what a name says
_DEVIATIONS = 3.0  # of an AUC of rows that nothing tells apart


def tried(column: Column, facts: Facts, labels: np.ndarray, item: str | None = None) -> Column:
    """The proposal for a column, of the other kind where that one tells the label better.

    As tokens every number has a click rate of its own, as a quantity its bucket has one, of as many
    rows as others. Both are fitted on one half of the rows and rank the other half. The other kind
    is taken where its AUC is higher by 0.005 and by three standard errors; by 0.02 where the name
    says that the numbers count or measure something. A name of ids is believed.

    Args:
        column: What is proposed by values and name.
        facts: Facts of the column.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        item: The column of what is shown.
    """
    if column.left_out is not None or not _could_be_either(column, facts, item):
        return column
    as_numbers = held_out_auc(_buckets(facts), labels)
    as_ids = held_out_auc(facts.codes + 1, labels)
    rarer = min(labels.sum(), len(labels) - labels.sum()) / 2.0  # in the half that is ranked
    margin = max(_GAIN, _DEVIATIONS / math.sqrt(12.0 * max(rarer, 1.0)))
    both = f"AUC {as_ids:.3f} as tokens, {as_numbers:.3f} as a quantity"
    if column.kind == "categorical":
        better = as_numbers > as_ids + margin
        return as_quantity(facts, both) if better else column
    if hints(facts.name, QUANTITY):
        margin = max(margin, _GAIN_OVER_NAME)
    return as_tokens(facts, both) if as_ids > as_numbers + margin else column


def _could_be_either(column: Column, facts: Facts, item: str | None) -> bool:
    if not facts.is_whole or facts.distinct <= FEW or facts.rows < _LEAST_ROWS:
        return False
    if facts.name == item or numbered_kind(facts.name) is not None:
        return False
    if column.kind == "categorical":
        return not hints(facts.name, ID | TYPE | USER | ITEM)
    return column.kind.startswith("numeric")


def _buckets(facts: Facts) -> np.ndarray:
    """Buckets of as many rows as others, and 0 for a missing value, int64 of shape (rows,)."""
    numbers = np.asarray(facts.numbers, np.float64)
    edges = [facts.quantile(share) for share in np.linspace(0, 1, _BUCKETS + 1)[1:-1]]
    buckets = np.searchsorted(np.unique(edges), numbers, side="right")
    return np.where(facts.codes < 0, 0, buckets[facts.codes] + 1)
