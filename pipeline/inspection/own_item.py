"""Columns that hold the row's own item where it was chosen: what came after, or came before and
holds what was shown.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.inspection.facts import Facts, token_of
from pipeline.inspection.leaks import Leak, area_under_curve, pure_label

_TELLS = 0.3  # by how much more often a click's history ends in the item than another row's
_TELLS_ANYWHERE = 0.6  # the same for one that holds it anywhere: some items are chosen again
_ALWAYS = 0.5  # share of the rows, beyond chance, that no habit of choosing again reaches
_LEAST_ROWS = 50
_PLACES: tuple[tuple[str, Callable[[Sequence[str]], Sequence[str]]], ...] = (
    ("its last step is", lambda steps: steps[-1:]),
    ("its first step is", lambda steps: steps[:1]),
    ("it holds", lambda steps: steps),
)


def find_own_item(
    facts: Facts, steps: Sequence[Sequence[str]], item: Facts, labels: np.ndarray, seed: int = 0
) -> Leak | None:
    """Looks for the row's own item in its history, which tells the label or the row's item.

    Args:
        facts: Facts of the history.
        steps: Tokens of each distinct value of it.
        item: Facts of the column of what is shown.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        seed: Seed of the order that tells what is chance.

    Returns:
        A leak with its reason; None where the item is there no more often than elsewhere. Where the
        column holds the item, of a rare purchase for instance, nearly all labels being 1 is enough.
    """
    rows = np.flatnonzero((facts.codes >= 0) & (item.codes >= 0))
    clicks = labels[rows] == 1.0
    if min(clicks.sum(), (~clicks).sum()) < _LEAST_ROWS:
        return None
    histories, items = facts.codes[rows], item.codes[rows]
    strangers = np.random.default_rng(seed).permutation(items)
    code_of = {token_of(value): code for code, value in enumerate(item.values)}
    for what, place in _PLACES:
        codes = [
            {code_of[token] for token in map(token_of, place(row)) if token in code_of}
            for row in steps
        ]

        def holds(shown: np.ndarray, codes: list[set[int]] = codes) -> np.ndarray:
            pairs = zip(histories.tolist(), shown.tolist(), strict=True)
            return np.array([code in codes[history] for history, code in pairs], bool)

        own = holds(items)
        of_clicks, of_others = own[clicks].mean(), own[~clicks].mean()
        tells = _TELLS_ANYWHERE if what == "it holds" else _TELLS
        always = what != "it holds" and own.mean() - holds(strangers).mean() >= _ALWAYS
        if abs(of_clicks - of_others) >= tells or always:
            why = (
                f"{what} the row's own item in {100 * of_clicks:.3g} % of the rows with label 1, "
                f"{100 * of_others:.3g} % of the others"
            )
            return Leak(area_under_curve(clicks.astype(np.float64), own.astype(np.float64)), why)
        if pure_label(own, clicks.astype(np.float64), 0.0) == 1:
            why = (
                f"where {what} the row's own item, {100 * clicks[own].mean():.1f} % of "
                f"{int(own.sum()):,} labels are 1"
            )
            return Leak(area_under_curve(clicks.astype(np.float64), own.astype(np.float64)), why)
    return None


def chosen_item(facts: Facts, item: Facts, labels: np.ndarray) -> str | None:
    """Why a column of tokens tells what was chosen, such as `purchased_item`; None where not.

    It holds the row's own item in some rows, and nearly all of them have label 1.

    Args:
        facts: Facts of the column.
        item: Facts of the column of what is shown.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
    """
    code_of = {token_of(value): code for code, value in enumerate(item.values)}
    codes = np.array([code_of.get(token_of(value), -1) for value in facts.values] + [-1], np.int64)
    own = (codes[facts.codes] >= 0) & (codes[facts.codes] == item.codes)
    if pure_label(own, labels, 0.0) != 1:
        return None
    share = 100 * float(labels[own].mean())
    return f"where it is the row's own item, {share:.1f} % of {int(own.sum()):,} labels are 1"
