"""Lists that hold what their user chose only later: collected after it, or over the whole log."""

from collections.abc import Sequence

import numpy as np

from pipeline.inspection.facts import Facts, token_of

_TELLS = 0.6  # share of the rows, beyond chance: some items are chosen again and again
_LEAST_ROWS = 50


def find_later_items(
    facts: Facts,
    steps: Sequence[Sequence[str]],
    item: Facts,
    user: Facts,
    moments: np.ndarray,
    labels: np.ndarray,
    seed: int = 0,
) -> str | None:
    """Looks, in each row's list, for the next item that its user chooses for the first time.

    A history cannot hold it, but for what was chosen before the log began. A list that does in most
    rows, where those of chance are few, was written when the user had chosen it.

    Args:
        facts: Facts of the list.
        steps: Tokens of each distinct value of it.
        item: Facts of the column of what is shown.
        user: Facts of the column of the user.
        moments: The moment of each row, in any unit, float64 of shape (rows,).
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        seed: Seed of the order that tells what is chance.

    Returns:
        Why the list is a suspect; None where it is none, or the rows are too few to tell.
    """
    following = _next_new_item(item.codes, user.codes, moments, labels)
    rows = np.flatnonzero((facts.codes >= 0) & (following >= 0))
    if len(rows) < _LEAST_ROWS:
        return None
    code_of = {token_of(value): code for code, value in enumerate(item.values)}
    held = [{code_of.get(token_of(token), -1) for token in row} for row in steps]

    def share(items: np.ndarray) -> float:
        pairs = zip(facts.codes[rows].tolist(), items.tolist(), strict=True)
        return float(np.mean([code in held[value] for value, code in pairs]))

    found = share(following[rows])
    by_chance = share(np.random.default_rng(seed).permutation(following[rows]))
    if found - by_chance < _TELLS:
        return None
    return (
        f"it holds what its user chose only later, in {100 * found:.3g} % of {len(rows):,} rows: "
        "it was collected after them"
    )


def _next_new_item(
    items: np.ndarray, users: np.ndarray, moments: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """The first item that each row's user chooses after the row, and never had before; else -1.

    Args:
        items: Code of each row's item, int64 of shape (rows,).
        users: Code of each row's user.
        moments: The moment of each row.
        labels: 1.0 where the item was chosen.
    """
    following = np.full(len(items), -1, np.int64)
    order = np.lexsort((moments, users))
    starts = np.flatnonzero(np.diff(users[order], prepend=-2))
    for rows in np.split(order, starts[1:]):
        if users[rows[0]] < 0:
            continue
        seen: set[int] = set()
        first: list[int] = []  # rows whose item their user has for the first time
        for row in rows.tolist():
            if items[row] >= 0 and items[row] not in seen:
                seen.add(int(items[row]))
                first.append(row)
        chosen = np.array([row for row in first if labels[row] == 1.0], np.int64)
        if len(chosen):
            places = np.searchsorted(moments[chosen], moments[rows], side="right")
            has_next = places < len(chosen)
            following[rows[has_next]] = items[chosen[places[has_next]]]
    return following
