"""Logs of sessions: a list of shown items in a row, and what of it was clicked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from features.raw_values import token_of
from pipeline.data.reading.explode import Explode
from pipeline.data.reading.read import RowBlock
from pipeline.data.settings.explode_config import ExplodeConfig
from pipeline.inspection.column_names import ITEMS, PAST, QUANTITY, hints, label_rank
from pipeline.inspection.facts import Facts, facts_of
from pipeline.inspection.lists import Tokens, tokens_of
from pipeline.inspection.read_sample import Sample
from pipeline.inspection.roles import find_user

_SHOWN = {
    *("impression", "shown", "candidate", "slate", "list", "result", "exposed", "exposure"),
    *("displayed", "ranking", "ranked", "feed", "inview", "options", "choice"),
}
_ALMOST_ALL = 0.95  # of the rows
_SEVERAL = 0.5  # share of the rows that show two items or more
_FEWEST = 20  # rows with a click
_MOST_ROWS = 200_000  # that are looked at
_TRUTHS = {"0", "1"}


@dataclass(frozen=True)
class Sessions:
    """How the rows of a log become a row an item, and why that is believed.

    Args:
        settings: `data.explode`.
        label: Column of the rows that says what was clicked.
        reason: What was seen, a clause.
        outcomes: Further columns that hold some of the shown items of their own row: what was
            bought or watched of them.
    """

    settings: ExplodeConfig
    label: str
    reason: str
    outcomes: tuple[str, ...] = ()


def find_sessions(columns: Mapping[str, pa.Array], label: str | None = None) -> Sessions | None:
    """Looks for a list of shown items and for its clicks; None where rows are examples already.

    Clicks are a column whose value, or values, lie in the list, at changing places: a history
    that ends in the row's own item is another thing. Or they are a list of 0 and 1, as long.

    Args:
        columns: Name -> text, or lists of text, of each row.
        label: The column that the user wants to predict.
    """
    facts = facts_of(columns)
    if label in facts and facts[label].is_binary:
        return None
    if label is None and any(
        each.is_binary and label_rank(name) is not None for name, each in facts.items()
    ):
        return None
    lists = {
        name: tokens
        for name, each in facts.items()
        if not hints(name, PAST) and (tokens := tokens_of(each)) is not None
    }
    for name in sorted(lists, key=lambda name: _likeness(name, list(lists))):
        found = _of_items(name, facts, lists, label)
        if found is not None:
            known = {*found.settings.read, found.label}
            outcomes = tuple(
                other
                for other, each in facts.items()
                if other not in known and _clicked_share(facts[name], lists[name], each) is not None
            )
            return replace(found, outcomes=outcomes)
    return None


def exploded(sample: Sample, sessions: Sessions) -> Sample:
    """The sample as the rows that its sessions become; those that become none count as bad."""
    explode = Explode(sessions.settings, sample.data.format.null_values)
    rows = pa.RecordBatch.from_pydict(dict(sample.columns))
    lines = np.arange(1, len(rows) + 1)
    wanted = explode.columns_of(tuple(sample.columns))
    parts, records, bad, reason = [], 0, sample.bad[0], sample.bad[1]
    for block in explode.blocks([RowBlock(0, rows, lines, [], lambda _: "")], wanted, 0):
        bad += len(block.bad)
        reason = reason or (block.bad[0].reason if block.bad else "")
        parts.append(block.rows)
        records += block.records
        if sum(map(len, parts)) >= _MOST_ROWS:
            break
    table = pa.Table.from_batches(parts).combine_chunks()
    return replace(
        sample,
        data=sample.data.model_copy(update={"explode": sessions.settings}),
        columns={name: table.column(name).combine_chunks() for name in wanted},
        bad=(bad, reason),
        whole=sample.whole and records + bad - sample.bad[0] == sample.rows,
        records=records,
    )


def _of_items(
    name: str, facts: Mapping[str, Facts], lists: Mapping[str, Tokens], label: str | None
) -> Sessions | None:
    """The sessions whose items this list is; None where nothing says what was clicked."""
    tokens = lists[name]
    lengths = _lengths(facts[name], tokens)
    shown = lengths >= 0
    if not shown.any() or (lengths[shown] > 1).mean() < _SEVERAL or _is_truth(tokens):
        return None
    aligned = [
        other
        for other, others in lists.items()
        if other != name
        and others.separator == tokens.separator
        and _are_alike(lengths, _lengths(facts[other], others))
    ]
    truths = [other for other in aligned if _is_truth(lists[other])]
    truths.sort(key=lambda other: (other != label, label_rank(other) is None))
    if truths and label in (None, truths[0]):
        reason = f"{truths[0]} has a 0 or 1 for each item of {name}"
        settings = _settings(name, aligned, None, tokens, facts)
        return Sessions(settings, truths[0], reason)
    for other in facts if label is None else (label,):
        if other not in facts or other == name or other in aligned:
            continue
        share = _clicked_share(facts[name], tokens, facts[other])
        if share is not None:
            reason = f"{other} is among {name} in {100 * share:.3g} % of its rows"
            settings = _settings(name, aligned, other, tokens, facts)
            return Sessions(settings, settings.label, reason)
    return None


def _settings(
    items: str,
    aligned: list[str],
    clicked: str | None,
    tokens: Tokens,
    facts: Mapping[str, Facts],
) -> ExplodeConfig:
    def free(*names: str) -> str:
        return next((name for name in names if name not in facts), f"{items}_{names[0]}")

    return ExplodeConfig(
        items=items,
        aligned=tuple(aligned),
        clicked=clicked,
        label="label" if clicked is None else free("label", "is_clicked"),
        position=free("position", "place"),
        session=None if find_user(facts) is not None else free("session", "session_row"),
        separator=tokens.separator,
    )


def _likeness(name: str, order: list[str]) -> tuple[bool, bool, bool, int]:
    """What is called shown items first, and prices last."""
    return (
        not hints(name, _SHOWN),
        not hints(name, set(ITEMS)),
        hints(name, QUANTITY),
        order.index(name),
    )


def _lengths(facts: Facts, tokens: Tokens) -> np.ndarray:
    """Number of tokens of each row; -1 where it is missing, or was not looked at."""
    lengths = np.array([len(row) for row in tokens.rows], np.int64)
    known = (facts.codes >= 0) & (facts.codes < len(lengths))
    return np.where(known, lengths[np.where(known, facts.codes, 0)], -1)


def _are_alike(lengths: np.ndarray, others: np.ndarray) -> bool:
    both = (lengths >= 0) & (others >= 0)
    return bool(both.any()) and bool((lengths[both] == others[both]).mean() >= _ALMOST_ALL)


def _is_truth(tokens: Tokens) -> bool:
    return {token_of(token) for token in tokens.distinct} == _TRUTHS


def _clicked_share(shown: Facts, tokens: Tokens, clicked: Facts) -> float | None:
    """How often a column's values are among the items, if that is what it is; else None."""
    separator = "\x1f" if clicked.is_list else tokens.separator
    chosen = [
        {token_of(each) for each in (value.split(separator) if separator else [value]) if each}
        for value in clicked.values
    ]
    items = [[token_of(token) for token in row] for row in tokens.rows]
    rows, among, several, first, last = 0, 0, 0, 0, 0
    for session, clicks in zip(shown.codes.tolist(), clicked.codes.tolist(), strict=True):
        if clicks < 0 or not 0 <= session < len(items) or not chosen[clicks]:
            continue
        row, wanted = items[session], chosen[clicks]
        rows += 1
        if not wanted <= set(row):
            continue
        among += 1
        if len(row) > 1:
            several += 1
            first += wanted == set(row[:1])
            last += wanted == set(row[-1:])
    if rows < min(_FEWEST, _SEVERAL * len(shown.codes)) or among < _ALMOST_ALL * rows:
        return None
    return None if max(first, last) > _ALMOST_ALL * several else among / rows
