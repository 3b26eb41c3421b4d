"""A configuration for a sample of rows: what each column is, and what the rows are."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import DataError
from pipeline.inspection.column import Column
from pipeline.inspection.column_names import ITEM, USER, feature_name, words
from pipeline.inspection.facts import Facts, facts_of
from pipeline.inspection.kinds import propose_kind
from pipeline.inspection.leaks import find_leak
from pipeline.inspection.read_sample import Sample
from pipeline.inspection.roles import (
    Label,
    Time,
    find_item,
    find_label,
    find_time,
    find_user,
    is_day,
    labels_of,
)

_LEAST_ROWS_FOR_LEAKS = 100
_HISTORY_LENGTH = 50
_SHARE = 0.1  # of valid and of test


@dataclass(frozen=True)
class Proposal:
    """A configuration, and what it was made from.

    Args:
        sample: The rows.
        facts: Facts of each column.
        label: The column to predict.
        click_rate: Mean of the label.
        time: The rows' times, where they have any.
        user: The column whose rows belong together.
        item: The column of what is shown.
        columns: All columns but the label and the time, in the order of the data.
        split: Settings of `data.split`.
        names: Column -> name of its feature.
        histories: Settings of `histories`, as in YAML.
        sequences: Name -> settings of the features that come from histories.
        groups: Settings of `groups`, as in YAML.
    """

    sample: Sample
    facts: dict[str, Facts]
    label: Label
    click_rate: float
    time: Time | None
    user: str | None
    item: str | None
    columns: list[Column]
    split: dict[str, Any]
    names: dict[str, str]
    histories: dict[str, dict[str, str]]
    sequences: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]

    @property
    def inputs(self) -> list[Column]:
        """The columns that are features."""
        return [column for column in self.columns if column.left_out is None]

    @property
    def suspects(self) -> list[Column]:
        """The columns that may leak the label."""
        return [column for column in self.columns if column.suspect]


def propose(sample: Sample, label: str | None = None) -> Proposal:
    """Proposes a configuration.

    Args:
        sample: Some rows.
        label: Column to predict; found by name where it is not given.

    Raises:
        DataError: No column can be the label, or none is left to learn from.
    """
    facts = facts_of(sample.columns)
    target = find_label(facts, label)
    labels = labels_of(facts[target.column], target)
    others = {name: column for name, column in facts.items() if name != target.column}
    time, user, item = find_time(others), find_user(others), find_item(others)
    columns = [
        _column(column, others, labels, time, (user, item))
        for name, column in others.items()
        if time is None or name != time.column
    ]
    inputs = {column.column for column in columns if column.left_out is None}
    tokens = {column.column for column in columns if column.kind == "categorical"}
    user = user if user in tokens else None
    item = item if item in tokens & inputs else None
    if not inputs and time is None:
        why = "; ".join(f"{column.column}: {column.left_out}" for column in columns[:3])
        raise DataError(
            f"no column is left to learn {target.column!r} from ({why or 'it is the only one'}). "
            "Give rows with more columns, or name another column with --label."
        )
    names: dict[str, str] = {}
    for name in facts:
        names[name] = feature_name(name, names.values())
    columns = [_with_vocabulary(column, names, inputs & tokens) for column in columns]
    histories, sequences = _histories(target, time, user, item, names)
    return Proposal(
        sample=sample,
        facts=facts,
        label=target,
        click_rate=float(labels.mean()),
        time=time,
        user=user,
        item=item,
        columns=columns,
        split=_split(time, facts, labels),
        names=names,
        histories=histories,
        sequences=sequences,
        groups=_groups(columns, names, user, item, sequences),
    )


def _column(
    facts: Facts,
    others: dict[str, Facts],
    labels: np.ndarray,
    time: Time | None,
    ids: tuple[str | None, ...],
) -> Column:
    column = propose_kind(facts, others)
    if time is not None and facts.name in time.others:
        return column.without(f"a time too, beside {time.column}")
    if is_day(facts):
        return column.without("a day: once it is over it never comes again")
    if column.left_out is not None or facts.rows < _LEAST_ROWS_FOR_LEAKS:
        return column
    leak = find_leak(facts, labels)
    column = Column(column.column, column.settings, column.reason, auc=leak.auc)
    if leak.why is not None and facts.name not in ids:
        return column.without(leak.why, suspect=True)
    return column


def _with_vocabulary(column: Column, names: dict[str, str], with_tokens: set[str]) -> Column:
    """A sequence shares the vocabulary of a feature, and not of a column that makes none."""
    settings = dict(column.settings)
    shared = settings.pop("vocabulary", None)
    if shared in with_tokens:
        settings["vocabulary"] = names[shared]
    return Column(**{**vars(column), "settings": settings})


def _histories(
    label: Label, time: Time | None, user: str | None, item: str | None, names: dict[str, str]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Any]]]:
    if time is None or user is None or item is None:
        return {}, {}
    histories = {"shown": {"key": user}}
    if label.at_least is None:
        histories["positive"] = {"key": user, "where": label.column}
    taken, sequences = set(names.values()), {}
    for history in histories:
        name = feature_name(f"{history}_{names[item]}", taken)
        sequences[name] = {
            "kind": "sequence",
            "history": history,
            "column": item,
            "vocabulary": names[item],
            "max_length": _HISTORY_LENGTH,
        }
    return histories, sequences


def _split(time: Time | None, facts: dict[str, Facts], labels: np.ndarray) -> dict[str, Any]:
    """By time where each split then has rows of both labels; else by a hash of the row."""
    shares = {"valid": _SHARE, "test": _SHARE}
    if time is not None and (moments := facts[time.column].numbers) is not None:
        times = moments[facts[time.column].codes]
        cuts = [np.quantile(times, 1 - 2 * _SHARE), np.quantile(times, 1 - _SHARE)]
        splits = np.searchsorted(cuts, times, side="right")
        if all(len(np.unique(labels[splits == split])) == 2 for split in range(3)):
            return {"by": "time", **shares}
    return {"by": "hash", **shares}


def _groups(
    columns: list[Column],
    names: dict[str, str],
    user: str | None,
    item: str | None,
    sequences: dict[str, dict[str, Any]],
) -> dict[str, list[str]]:
    """Features of the user with those of the item, told by the first word of their names."""

    def features_of(vocabulary: set[str]) -> list[str]:
        return [
            names[column.column]
            for column in columns
            if column.left_out is None and (words(column.column) or [""])[0] in vocabulary
        ]

    users, items = features_of(USER), features_of(ITEM)
    groups = {"user_x_item": users + items} if users and items else {}
    kept = [column.column for column in columns if column.left_out is None]
    if groups and user in kept and item is not None and len(groups["user_x_item"]) > 2:
        groups["user_id_x_item_id"] = [names[user], names[item]]
    if groups and sequences:
        groups["history_x_item"] = [*sequences, *items]
    return groups
