"""Leak suspects: columns that alone tell the label, or that are named like what happens after."""

from dataclasses import dataclass

import numpy as np

from pipeline.inspection.column_names import LASTING, hints, is_other_label, is_outcome
from pipeline.inspection.facts import Facts

_BINS = 100
_PRIOR_ROWS = 20.0
_PREDICTS = 0.9  # AUC of a column that alone is too good to be known beforehand
_NAMED = 0.6  # AUC from which a name such as play_time is believed
_LEAST_ROWS = 50  # of a value that gives the label away,
_LEAST_SHARE = 0.005  # and of all rows: a rare scenario may do so by itself
_LEAST_SHARE_OF_ZEROS = 0.05  # of a value that says "no": some items are never clicked
_ALMOST_ALL = 0.98
_MANY_VALUES = 1_000
_LEAST_SHARE_OF_OTHERS = 0.001  # of the rows that have another value than most, all together
_CHANCE = 1e-9


@dataclass(frozen=True)
class Leak:
    """How well a column alone tells the label.

    Args:
        auc: AUC on the half of the rows that it was not fitted to; 0.5 where it tells nothing,
            None where too few rows tell.
        why: Why it is a suspect; None where it is none.
    """

    auc: float | None
    why: str | None


def find_leak(facts: Facts, labels: np.ndarray, seed: int = 0) -> Leak:
    """Fits the label by this column alone on half of the rows, and ranks the other half.

    Args:
        facts: Facts of the column.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        seed: Seed of the choice of the halves.
    """
    codes = _cells(facts)
    auc = held_out_auc(codes, labels, seed)
    return Leak(auc, _why(facts, codes, labels, auc))


def held_out_auc(codes: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """AUC on half of the rows of the click rates that the other half has in each cell.

    Args:
        codes: Cell of each row, int64 of shape (rows,), 0 or more.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        seed: Seed of the choice of the halves.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    fitted, held_out = order[: len(order) // 2], order[len(order) // 2 :]
    size = int(codes.max()) + 1
    base = labels[fitted].mean()
    rows = np.bincount(codes[fitted], minlength=size)
    clicks = np.bincount(codes[fitted], labels[fitted], minlength=size)
    scores = (clicks + _PRIOR_ROWS * base) / (rows + _PRIOR_ROWS)
    return area_under_curve(labels[held_out], scores[codes[held_out]])


def area_under_curve(labels: np.ndarray, scores: np.ndarray) -> float:
    """The AUC, pairs of equal scores counted half; 0.5 where the labels are all the same."""
    _, ranks = np.unique(scores, return_inverse=True)
    clicks = np.bincount(ranks, labels)
    others = np.bincount(ranks) - clicks
    pairs = clicks.sum() * others.sum()
    if not pairs:
        return 0.5
    below = np.cumsum(others) - others / 2.0
    return float((clicks * below).sum() / pairs)


def _cells(facts: Facts) -> np.ndarray:
    """A cell for each value or bin of values, and for a missing one 0: int64 of shape (rows,)."""
    values = np.arange(facts.distinct)
    if facts.is_list:
        values = np.array([value.count("\x1f") + bool(value) for value in facts.values], np.int64)
    elif facts.numbers is not None and facts.distinct > _BINS:
        edges = [facts.quantile(share) for share in np.linspace(0, 1, _BINS + 1)[1:-1]]
        values = np.searchsorted(np.unique(edges), facts.numbers, side="right")
    if not facts.values:
        return np.zeros(facts.rows, np.int64)
    return np.where(facts.codes < 0, 0, values[facts.codes] + 1)


def _why(facts: Facts, codes: np.ndarray, labels: np.ndarray, auc: float) -> str | None:
    if auc >= _PREDICTS:
        return "alone it predicts the label"
    given_away = _given_away(facts, codes, labels) or _filled_in_later(facts, labels)
    if given_away is not None:
        return given_away
    return named_like_an_outcome(facts, auc)


def named_like_an_outcome(facts: Facts, auc: float = 0.5) -> str | None:
    """Why the name alone makes a column a suspect; None where it does not.

    Args:
        facts: Facts of the column.
        auc: AUC of the label by this column alone.
    """
    named = is_outcome(facts.name) or (facts.is_binary and is_other_label(facts.name))
    if named and (facts.is_binary or hints(facts.name, LASTING) or auc >= _NAMED):
        return "named like something that happens after the item was shown"
    return None


def pure_label(rows: np.ndarray, labels: np.ndarray, least: float) -> int | None:
    """The label that nearly all of these rows have, though many others do not; else None.

    Args:
        rows: Which rows are meant, bool of shape (rows,).
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        least: Share of all rows that they must be.
    """
    count, clicks, base = int(rows.sum()), float(labels[rows].sum()), float(labels.mean())
    for label, share, hits in ((1, base, clicks), (0, 1.0 - base, count - clicks)):
        if not 0.0 < share < _ALMOST_ALL or count < max(_LEAST_ROWS, least * len(labels)):
            continue
        chance = hits * np.log(share) + (count - hits) * np.log(count + 1.0)
        if hits >= _ALMOST_ALL * count and chance < np.log(_CHANCE):
            return label
    return None


def _filled_in_later(facts: Facts, labels: np.ndarray) -> str | None:
    """Whether the rows that have any value at all, or another one than most, have one label.

    Ids of orders, amounts and texts that are there only once something happened have too many
    values for any of them to say so.
    """
    if facts.distinct <= 2:
        return None
    usual = facts.codes < 0
    what = "it is there"
    if not usual.any():
        code = int(np.argmax(facts.counts))
        usual, what = facts.codes == code, f"it is not {facts.values[code][:20]!r}"
    if pure_label(~usual, labels, _LEAST_SHARE_OF_OTHERS) != 1:
        return None
    share = 100 * float(labels[~usual].mean())
    return f"where {what}, {share:.1f} % of {int((~usual).sum()):,} labels are 1"


def _given_away(facts: Facts, codes: np.ndarray, labels: np.ndarray) -> str | None:
    """A value, or missing, whose rows nearly all have the same label though many do not."""
    rows = np.bincount(codes)
    if np.sum(rows > 0) > _MANY_VALUES:
        return None
    clicks, base = np.bincount(codes, labels), labels.mean()
    for label, share, hits in ((1, base, clicks), (0, 1.0 - base, rows - clicks)):
        if not 0.0 < share < _ALMOST_ALL:
            continue
        purity = hits / np.maximum(rows, 1)
        # So many hits by chance: log of share^hits, for as many values as there are.
        chance = hits * np.log(share) + (rows - hits) * np.log(rows + 1.0)
        surprising = chance < np.log(_CHANCE / len(rows))
        least = np.full(len(rows), _LEAST_SHARE if label else _LEAST_SHARE_OF_ZEROS)
        least[0] = _LEAST_SHARE  # of what is missing
        enough = rows >= np.maximum(_LEAST_ROWS, least * len(labels))
        sure = enough & (purity >= _ALMOST_ALL) & surprising
        if sure.any():
            cell = int(np.argmax(np.where(sure, rows, 0)))
            what = "it is missing" if cell == 0 else f"it is {_example(facts, codes, cell)}"
            return f"where {what}, {100 * purity[cell]:.1f} % of {rows[cell]:,} labels are {label}"
    return None


def _example(facts: Facts, codes: np.ndarray, cell: int) -> str:
    value = facts.values[facts.codes[np.argmax(codes == cell)]]
    within = facts.numbers is not None and facts.distinct > _BINS
    if facts.is_list:
        return f"a list of {cell - 1}"
    return f"about {value}" if within else repr(value[:20])
