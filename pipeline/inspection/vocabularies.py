"""The column that a history's steps are values of: by name before by values."""

from collections.abc import Mapping

from pipeline.inspection.column_names import ITEM, USER, hints, objects, same_words, words
from pipeline.inspection.facts import Facts, token_of

_SHARED = 0.5  # least share of a history's tokens that are values of a column, without a name
_FEWEST_VALUES = 20
_DENSE = 0.3  # share of the numbers between the least and the largest that a column holds


def shared_vocabulary(
    name: str,
    tokens: set[str],
    others: Mapping[str, Facts],
    user: str | None,
    item: str | None,
) -> str | None:
    """The column whose tokens a history shares; None where its tokens are its own.

    Its name says what it is made of: `hist_cate` of `cate_id`, `clicked_goods` of the item,
    whatever that is called, `hist_user_id` of users; `click_seq` names nothing and is of items.
    Where the name says none of that, values do: those of small numbers that many columns hold
    prove nothing.

    Args:
        name: Name of the column.
        tokens: Its distinct tokens.
        others: Facts of all columns.
        user: The column of the user, where there is one.
        item: The column of what is shown.
    """
    of_columns = {
        other: {token_of(value) for value in facts.values}
        for other, facts in others.items()
        if other != name and not facts.is_list
    }
    tokens = {token_of(token) for token in tokens}
    named = _named(name, of_columns, user, item)
    if named is not None:
        return named if tokens & of_columns[named] else None
    shares = {
        other: len(tokens & values) / len(tokens)
        for other, values in of_columns.items()
        if tokens
        and other != user
        and len(values) > _FEWEST_VALUES
        and not _is_dense(others[other])
    }
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best is not None and shares[best] >= _SHARED else None


def _named(
    name: str, columns: Mapping[str, set[str]], user: str | None, item: str | None
) -> str | None:
    parts = objects(name)
    same = [column for column in columns if parts and same_words(parts, words(column))]
    if same:
        return item if item in same else same[0]
    joined = "_".join(parts)
    if item in columns and (not parts or hints(joined, ITEM)):
        return item
    return user if user in columns and hints(joined, USER) else None


def _is_dense(facts: Facts) -> bool:
    """Whether a column is of whole numbers so close together that others hold them by accident."""
    if not facts.is_whole or facts.numbers is None:
        return False
    spread = facts.numbers.max() - facts.numbers.min() + 1
    return facts.distinct > _DENSE * spread
