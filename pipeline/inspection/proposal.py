"""A configuration for a sample of rows: what each column is, and what the rows are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.errors import DataError
from pipeline.inspection.column import Column
from pipeline.inspection.column_names import feature_name
from pipeline.inspection.facts import Facts, facts_of
from pipeline.inspection.groups import propose_groups
from pipeline.inspection.kinds import propose_kind
from pipeline.inspection.later_items import find_later_items
from pipeline.inspection.leaks import Leak, find_leak, named_like_an_outcome
from pipeline.inspection.lists import steps_of
from pipeline.inspection.other_spelling import other_spelling
from pipeline.inspection.own_item import chosen_item, find_own_item
from pipeline.inspection.pairs import as_of_pairs, is_index, label_of
from pipeline.inspection.read_sample import Sample
from pipeline.inspection.returning import never_returns
from pipeline.inspection.roles import (
    Label,
    Time,
    find_item,
    find_label,
    find_time,
    find_user,
    finer_unit,
    is_day,
    labels_of,
    moments_of,
)
from pipeline.inspection.sessions import Sessions, exploded, find_sessions
from pipeline.inspection.split_files import files_of_splits
from pipeline.inspection.transform_trial import with_best_transform
from pipeline.inspection.trial import tried

_LEAST_ROWS_FOR_LEAKS = 100
_HISTORY_LENGTH = 50
_SHARE, _MOST = 0.1, 0.3  # of valid and of test, in logs that have rows enough, and in small ones
_ENOUGH = 6  # rows of the rarer label that a split should have


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
        times: Name -> settings of the features that come from the time, as in YAML.
        histories: Settings of `histories`, as in YAML.
        sequences: Name -> settings of the features that come from histories.
        groups: Settings of `groups`, as in YAML.
        sessions: How rows that show several items became these, where they did.
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
    times: dict[str, dict[str, Any]]
    histories: dict[str, dict[str, str]]
    sequences: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]
    sessions: Sessions | None = None

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
    source = sample.data.source
    label = label_of(source) if label is None else label
    sessions = find_sessions(sample.columns, label)
    if sessions is not None:
        sample, label = exploded(sample, sessions), sessions.label
    facts = facts_of(sample.columns)
    target = find_label(facts, label)
    labels = labels_of(facts[target.column], target)
    others = {name: column for name, column in facts.items() if name != target.column}
    time, user, item = find_time(others), find_user(others), find_item(others)
    session = None
    if sessions is not None:
        item, session = sessions.settings.items, sessions.settings.session
    outcomes = () if sessions is None else sessions.outcomes
    columns = [
        _of_sessions(name)
        if name == session
        else _column(column, others, labels, time, user, item, source, name in outcomes)
        for name, column in others.items()
        if time is None or name != time.column
    ]
    inputs = {column.column for column in columns if column.left_out is None}
    tokens = {column.column for column in columns if column.kind == "categorical"}
    user = user if user in tokens else None
    owner = None if user == session else user  # a session has no earlier rows
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
    columns = [_with_nulls(column, sample.column_nulls) for column in columns]
    histories, sequences = _histories(target, time, owner, item, names)
    times = _times(time, [*names.values(), *sequences])
    inputs_of_time = [name for name, settings in times.items() if "role" not in settings]
    return Proposal(
        sample=sample,
        facts=facts,
        label=target,
        click_rate=float(labels.mean()),
        time=time,
        user=user,
        item=item,
        columns=columns,
        split=_split(sample, time, facts, labels),
        names=names,
        times=times,
        histories=histories,
        sequences=sequences,
        groups=propose_groups(columns, facts, names, user, item, list(sequences), inputs_of_time),
        sessions=sessions,
    )


def _column(
    facts: Facts,
    others: dict[str, Facts],
    labels: np.ndarray,
    time: Time | None,
    user: str | None,
    item: str | None,
    source: str,
    is_of_shown: bool = False,
) -> Column:
    column = propose_kind(facts, others, user, item, is_index(source, facts.name))
    column = as_of_pairs(column, source, others)
    column = with_best_transform(tried(column, facts, labels, item), facts, labels)
    if time is not None and facts.name in time.others:
        return column.without(f"a time too, beside {time.column}")
    if is_day(facts):
        return column.without("a day: once it is over it never comes again")
    unit = finer_unit(facts)
    if unit is not None:
        return column.without(f"a time in {unit}, which no unit names: write milliseconds")
    spelling = other_spelling(facts, others.values())
    if spelling is not None:
        return column.without(spelling)
    if column.left_out is not None:
        return column
    moments = None if time is None else moments_of(others[time.column])
    if column.kind == "categorical" and facts.rows >= _LEAST_ROWS_FOR_LEAKS:
        why = never_returns(facts, moments)
        if why is not None:
            return column.without(why)
    leak = _leak(column, facts, others, labels, moments, user, item)
    if is_of_shown:
        leak = Leak(leak.auc, "some of the items that its own row shows: what became of them")
    column = replace(column, auc=leak.auc)
    if leak.why is not None and facts.name not in (user, item):
        return column.without(leak.why, suspect=True)
    return column


def _leak(
    column: Column,
    facts: Facts,
    others: dict[str, Facts],
    labels: np.ndarray,
    moments: np.ndarray | None,
    user: str | None,
    item: str | None,
) -> Leak:
    """What a column tells of the label, and of the items that were chosen then or later."""
    if facts.rows < _LEAST_ROWS_FOR_LEAKS:
        return Leak(None, named_like_an_outcome(facts))
    leak = find_leak(facts, labels)
    if item is None or facts.name in (user, item):
        return leak
    shown = others[item]
    if column.kind == "categorical":
        why = leak.why or chosen_item(facts, shown, labels)
        return Leak(leak.auc, why)
    if column.kind not in ("sequence", "multivalued"):
        return leak
    steps = steps_of(facts, column.settings.get("separator"))
    leak = find_own_item(facts, steps, shown, labels) or leak
    if leak.why is None and user is not None and moments is not None:
        why = find_later_items(facts, steps, shown, others[user], moments, labels)
        return Leak(leak.auc, why)
    return leak


def _of_sessions(name: str) -> Column:
    why = "a name for each session: it never comes again"
    return Column(name, {"kind": "categorical"}, "").without(why)


def _times(time: Time | None, taken: list[str]) -> dict[str, dict[str, Any]]:
    """Name -> settings of the time itself, and of the features that are made of it."""
    if time is None:
        return {}
    of_time = {"column": time.column, **({} if time.unit == "s" else {"unit": time.unit})}
    settings_of: dict[str, dict[str, Any]] = {"time": {"role": "timestamp", **of_time}}
    for transform in ("hour", "weekday") if time.has_hours else ("weekday",):
        settings_of[transform] = {"kind": "categorical", "transform": transform, **of_time}
    times: dict[str, dict[str, Any]] = {}
    for name, settings in settings_of.items():
        times[feature_name(name, [*taken, *times])] = settings
    return times


def _with_vocabulary(column: Column, names: dict[str, str], with_tokens: set[str]) -> Column:
    """A sequence shares the vocabulary of a feature, and not of a column that makes none."""
    settings = dict(column.settings)
    shared = settings.pop("vocabulary", None)
    if shared in with_tokens:
        settings["vocabulary"] = names[shared]
    return Column(**{**vars(column), "settings": settings})


def _with_nulls(column: Column, nulls: Mapping[str, tuple[str, ...]]) -> Column:
    """Texts that mean "missing" in a column alone are a setting of its feature."""
    if column.column not in nulls:
        return column
    settings = {**column.settings, "null_values": list(nulls[column.column])}
    return replace(column, settings=settings)


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


def _split(
    sample: Sample, time: Time | None, facts: dict[str, Facts], labels: np.ndarray
) -> dict[str, Any]:
    """By files that are named after splits; by time, or by whole days, where each split then has
    rows of both labels; else by a hash of the row.
    """
    share = _share(labels) if sample.whole else _SHARE
    files = files_of_splits(sample.files)
    if files is not None:
        valid = {} if "valid" in files else {"valid": share}
        return {"by": "files", "files": files, **valid}
    shares = {"valid": share, "test": share}
    if time is None:
        return {"by": "hash", **shares}
    times = moments_of(facts[time.column])
    cuts = [np.quantile(times, 1 - 2 * share), np.quantile(times, 1 - share)]
    if _have_both_labels(np.searchsorted(cuts, times, side="right"), labels):
        return {"by": "time", **shares}
    if not time.has_hours:
        days = np.unique(times)
        if _have_both_labels(np.searchsorted(days[-2:], times, side="right"), labels):
            return {"by": "day", "valid_days": 1, "test_days": 1}
    return {"by": "hash", **shares}


def _share(labels: np.ndarray) -> float:
    """The share of a split: larger in small logs, so that it has rows of both labels."""
    positive = float(labels.sum())
    rarer = max(1.0, min(positive, len(labels) - positive))
    return round(min(_MOST, max(_SHARE, _ENOUGH / rarer)), 2)


def _have_both_labels(splits: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the splits 0, 1 and 2 each have rows of both labels."""
    return all(len(np.unique(labels[splits == split])) == 2 for split in range(3))
