"""Groups of features that are crossed with each other, by what each describes."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from pipeline.inspection.column import Column
from pipeline.inspection.column_names import (
    ITEM,
    OF_CONTEXT,
    OF_ITEMS,
    OF_USERS,
    USER,
    hints,
    words,
)
from pipeline.inspection.facts import Facts

Side = Literal["user", "item", "history", "context"]
_WORDS: tuple[tuple[set[str], Side], ...] = (
    (USER, "user"),
    (ITEM, "item"),
    (OF_USERS, "user"),
    (OF_ITEMS, "item"),
    (OF_CONTEXT, "context"),
)
_LEAST_ROWS = 50  # of keys that have several
_SURE = 0.98  # share of the rows that have their key's usual value
_LESS_VARIED = 0.2  # of what varies over all rows, how much may vary within a key


def propose_groups(
    columns: list[Column],
    facts: Mapping[str, Facts],
    names: Mapping[str, str],
    user: str | None,
    item: str | None,
    sequences: list[str],
    times: list[str],
) -> dict[str, list[str]]:
    """User x item, history x item and context x item, after Table 1 of MBCnet.

    Where the roles of too few columns are known, the columns of a kind are a group.

    Args:
        columns: What is proposed for each column.
        facts: Facts of each column.
        names: Column -> name of its feature.
        user: The column of the user, where there is one.
        item: The column of what is shown.
        sequences: Names of features that come from histories.
        times: Names of features that come from the row's time.
    """
    sides: dict[Side, list[str]] = {"user": [], "item": [], "history": [*sequences], "context": []}
    kept = [column for column in columns if column.left_out is None]
    for column in kept:
        side = side_of(column, facts, user, item)
        sides[side].append(names[column.column])
    sides["context"] += times
    users, items = sides["user"], sides["item"]
    groups = {}
    if users and items:
        groups["user_x_item"] = users + items
        inputs = {column.column for column in kept}
        if user in inputs and item in inputs and len(users + items) > 2:
            groups["user_id_x_item_id"] = [names[str(user)], names[str(item)]]
    if items and sides["history"]:
        groups["history_x_item"] = sides["history"] + items
    if items and sides["context"]:
        groups["context_x_item"] = sides["context"] + items
    if not items and users and sides["context"]:
        groups["context_x_user"] = sides["context"] + users
    return groups or _by_kind(kept, names, [*sequences, *times])


def _by_kind(
    columns: list[Column], names: Mapping[str, str], others: list[str]
) -> dict[str, list[str]]:
    numbers = [names[column.column] for column in columns if column.settings["kind"] == "numeric"]
    tokens = [names[column.column] for column in columns if names[column.column] not in numbers]
    tokens += others
    if numbers and tokens:
        return {"numbers": numbers, "tokens": tokens}
    return {"features": numbers + tokens}


def side_of(column: Column, facts: Mapping[str, Facts], user: str | None, item: str | None) -> Side:
    """What a column describes: by its name, then by whose rows always have the same value."""
    name = column.column
    if column.settings["kind"] == "sequence":
        return "history"
    if name in (user, item):
        return "user" if name == user else "item"
    fixed = _fixed_within(facts, name, user, item)
    # Names of users are of customers and clients too, who may be an item's advertisers.
    is_another = user is not None and fixed == "item" and not set(words(user)) & set(words(name))
    for part in words(name):
        for vocabulary, side in _WORDS[:2]:
            if hints(part, vocabulary) and not (side == "user" and is_another):
                return side
    for part in words(name):
        for vocabulary, side in _WORDS[2:]:
            if hints(part, vocabulary):
                return side
    return fixed or "context"


def _fixed_within(
    facts: Mapping[str, Facts], name: str, user: str | None, item: str | None
) -> Side | None:
    """Whether a column is the same in all rows of a user, or of an item."""
    codes = facts[name].codes + 1
    varies = 1.0 - np.bincount(codes).max() / len(codes)
    shares: dict[Side, float] = {}
    sides: tuple[tuple[Side, str | None], ...] = (("user", user), ("item", item))
    for side, key in sides:
        if key is not None:
            shares[side] = _usual_share(codes, facts[key].codes)
    best = max(shares, key=shares.__getitem__, default=None)
    if best is None or shares[best] < _SURE or 1.0 - shares[best] > _LESS_VARIED * varies:
        return None
    return best


def _usual_share(codes: np.ndarray, keys: np.ndarray) -> float:
    """Of the rows of keys with several, the share that has its key's most frequent value."""
    has_key = keys >= 0
    codes, keys = codes[has_key], keys[has_key]
    pairs, counts = np.unique(keys * (codes.max(initial=0) + 1) + codes, return_counts=True)
    of_key = pairs // (codes.max(initial=0) + 1)
    size = np.bincount(keys)
    most = np.zeros(len(size), np.int64)
    np.maximum.at(most, of_key, counts)
    several = size > 1
    rows = int(size[several].sum())
    return float(most[several].sum() / rows) if rows >= _LEAST_ROWS else 0.0
