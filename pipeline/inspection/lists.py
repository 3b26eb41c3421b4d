"""Columns that hold several values: lists, and texts with a separator."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from features.raw_values import WEIGHT
from pipeline.inspection.column import Column
from pipeline.inspection.column_names import OF_ITEMS, hints, is_history
from pipeline.inspection.facts import Facts
from pipeline.inspection.vocabularies import shared_vocabulary

SEPARATORS = (",", "|", ";", " ", "^", "#", "~", "::", "\x01", "\x02", "\x03")
# What separates in histories only: elsewhere dates, paths and names are written so.
_IN_HISTORIES = ("/", "-", "_", ":", "+", "&", "@", ".")
_ID = re.compile(r"[A-Za-z]{0,3}\d+|[0-9a-f]{8,}")
_WEIGHTED = re.compile(rf"(.*\D.*|\d+):({WEIGHT})", re.DOTALL)
_LOOKED_AT = 20_000  # distinct values
_LONGEST_TOKEN = 40
_USUAL_SCALE = 5.0  # of the numbers of vectors, beyond which, or below its inverse, they are scaled
_MOST_TOKENS = {"multivalued": 20, "sequence": 50}


@dataclass(frozen=True)
class Tokens:
    """The values of a column, cut into tokens.

    Args:
        separator: Text between two tokens; None where the column holds lists.
        rows: Tokens of each distinct value.
        counts: Number of rows of each distinct value.
    """

    separator: str | None
    rows: list[list[str]]
    counts: np.ndarray

    @property
    def distinct(self) -> set[str]:
        return {token for row in self.rows for token in row}

    def length(self, share: float) -> int:
        """A quantile of the rows' lengths; at least 1."""
        lengths = np.array([len(row) for row in self.rows])
        order = np.argsort(lengths)
        reached = np.cumsum(self.counts[order])
        place = min(np.searchsorted(reached, share * reached[-1]), len(order) - 1)
        return max(1, int(lengths[order[place]]))


def tokens_of(facts: Facts) -> Tokens | None:
    """How a column's values are cut into tokens; None where they are one token each."""
    values, counts = facts.values[:_LOOKED_AT], facts.counts[:_LOOKED_AT]
    if not values:
        return None
    if facts.is_list:
        rows = [value.split("\x1f") if value else [] for value in values]
        return Tokens(None, rows, counts)
    if facts.numbers is not None or facts.moments is not None:
        return None
    of_ids = is_history(facts.name)
    for separator in (*SEPARATORS, *(_IN_HISTORIES if of_ids else ())):
        # A separator behind the last token makes no token.
        rows = [value.removesuffix(separator).split(separator) for value in values]
        cut = Tokens(separator, rows, counts)
        if _is_cut(cut, of_ids):
            return cut
    return None


def steps_of(facts: Facts, separator: str | None) -> list[list[str]]:
    """The tokens of every distinct value of a column, cut as a proposal says."""
    separator = separator or "\x1f"
    return [
        value.removesuffix(separator).split(separator) if value else [] for value in facts.values
    ]


def _is_cut(tokens: Tokens, of_ids: bool) -> bool:
    """Whether a separator separates: often there, clean tokens, fewer of them than of values.

    Args:
        tokens: The values, cut at it.
        of_ids: Whether the column is named like a history, whose tokens are ids.
    """
    several = np.array([len(row) > 1 for row in tokens.rows])
    if tokens.counts[several].sum() < 0.05 * tokens.counts.sum():
        return False
    all_tokens = [token for row in tokens.rows for token in row]
    if any(len(token) > _LONGEST_TOKEN for token in all_tokens):
        return False
    if any(token != token.strip() or not token for token in all_tokens):
        return False
    if _vector_length(tokens) is not None:
        return True
    if of_ids and all(_ID.fullmatch(token) for token in all_tokens):
        return True
    if tokens.separator in _IN_HISTORIES:
        return False
    if tokens.separator == " ":  # sentences are no lists
        return all(token.isdigit() or _WEIGHTED.fullmatch(token) for token in all_tokens)
    return len(set(all_tokens)) < len(tokens.rows) or max(map(len, tokens.rows)) > 2


def list_column(
    facts: Facts,
    tokens: Tokens,
    others: Mapping[str, Facts],
    user: str | None = None,
    item: str | None = None,
) -> Column:
    """What is proposed for a column of several values.

    Args:
        facts: Facts of the column.
        tokens: Its values cut into tokens, from `tokens_of`.
        others: Facts of all columns, of which one may hold what a history is made of.
        user: The column of the user, where there is one.
        item: The column of what is shown.
    """
    separator = {} if tokens.separator is None else {"separator": tokens.separator}
    tokens, weighted = _without_weights(tokens)
    if weighted:
        separator["drop_weights"] = ":"
    length = _vector_length(tokens)
    if length is not None:
        settings = {"kind": "embedding", "dimension": length, **separator}
        reason = f"{length} numbers in every row"
        scale = float(np.sqrt(np.mean(np.square(np.array(tokens.rows, np.float64)))))
        if not 1 / _USUAL_SCALE <= scale <= _USUAL_SCALE:
            settings["transform"] = "zscore"
            reason += f", of a size of {scale:.3g}"
        return Column(facts.name, settings, reason)
    distinct = tokens.distinct
    shared = shared_vocabulary(facts.name, distinct, others, user, item)
    longest, usual = tokens.length(1.0), tokens.length(0.99)
    is_named = is_history(facts.name)
    is_set = not is_named and hints(facts.name, OF_ITEMS)
    is_sequence = is_named or (not is_set and (shared is not None or longest > 20))
    kind = "sequence" if is_sequence else "multivalued"
    settings = {"kind": kind, **separator, "max_length": min(usual, _MOST_TOKENS[kind])}
    reason = f"{len(distinct):,} tokens, up to {longest} in a row"
    if weighted:
        reason += "; their weights are dropped"
    if _is_padded(tokens):
        reason += "; all as long, with 0 for padding, which is a token here: leave it out"
    if kind == "sequence":
        reason += "; oldest first?"
    if shared is not None and is_sequence:
        settings["vocabulary"] = shared
        reason += f"; its tokens are values of {shared}"
    return Column(facts.name, settings, reason)


def _without_weights(tokens: Tokens) -> tuple[Tokens, bool]:
    """The tokens without weights such as `:0.53`, and whether they have such.

    Weights are numbers with a fraction somewhere: `1:2` may be an id.
    """
    cut = {token: _WEIGHTED.fullmatch(token) for token in tokens.distinct if token}
    if not cut or not all(cut.values()):
        return tokens, False
    if not any("." in match[2] for match in cut.values() if match):
        return tokens, False
    heads = {token: match[1] for token, match in cut.items() if match}
    if any(_WEIGHTED.fullmatch(head) for head in heads.values()):
        return tokens, False
    rows = [[heads.get(token, token) for token in row] for row in tokens.rows]
    return replace(tokens, rows=rows), True


def _is_padded(tokens: Tokens) -> bool:
    """Whether lists were made as long as each other, by zeros in front or behind."""
    if len({len(row) for row in tokens.rows}) != 1 or "0" not in tokens.distinct:
        return False
    return any(
        all("0" not in itertools.dropwhile("0".__eq__, row[::step]) for row in tokens.rows)
        for step in (1, -1)
    )


def _vector_length(tokens: Tokens) -> int | None:
    """The length of dense vectors, where that is what the rows hold."""
    lengths = {len(row) for row in tokens.rows}
    if len(lengths) != 1 or min(lengths) < 2:
        return None
    fractions = 0
    for token in (token for row in tokens.rows for token in row):
        try:
            number = float(token)
        except ValueError:
            return None
        if not np.isfinite(number) or "_" in token:
            return None
        fractions += "." in token or "e" in token.lower()
    return lengths.pop() if fractions > len(tokens.rows) / 2 else None
