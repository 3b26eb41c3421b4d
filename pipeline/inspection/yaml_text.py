"""A proposal as YAML with comments, for a user to edit; `build-bundle --config` reads it."""

from typing import Any

import yaml

from pipeline.data.settings.file_config import FormatConfig
from pipeline.inspection.column import Column
from pipeline.inspection.column_names import TIME, feature_name, hints
from pipeline.inspection.proposal import Proposal
from pipeline.inspection.read_sample import Sample
from pipeline.inspection.split_files import split_of
from pipeline.system.program import program

_COMMENT_AT = 60


def to_yaml(proposal: Proposal) -> str:
    """The configuration as text."""
    sections = [
        _head(proposal),
        ["data:", *_indent(_data(proposal))],
        _histories(proposal),
        ["features:", *_indent(_features(proposal))],
        _groups(proposal),
    ]
    lines = "\n\n".join("\n".join(section) for section in sections if section)
    return lines + "\n"


def _head(proposal: Proposal) -> list[str]:
    sample = proposal.sample
    rows = f"{'all' if sample.whole else 'the first'} {sample.rows:,} rows"
    lines = [
        f"# Proposed from {rows} of {sample.data.path}: look it over before you use it.",
        f"#   {program()} build-bundle --config THIS_FILE",
        f"# {_column(proposal.label.column)} is 1 in {100 * proposal.click_rate:.2f} % of them.",
    ]
    if proposal.label.is_guess:
        lines.insert(0, f"# {guess_of_label(proposal)}")
    if proposal.suspects:
        lines.append(
            "# Columns that may leak the label are left out: an input must be known before the "
            "item is shown."
        )
    return lines


def guess_of_label(proposal: Proposal) -> str:
    """A sentence on a label that no name told."""
    label = proposal.label
    others = f" ({', '.join(map(_column, label.others))} too)" if label.others else ""
    return (
        f"GUESS: the label is {_column(label.column)}, a column of 0 and 1{others}, for none is "
        "named like a label. Name it with --label."
    )


def _data(proposal: Proposal) -> list[str]:
    sample = proposal.sample
    data = sample.data
    lines = [f"source: {data.source}", f"path: {_value(data.path)}"]
    if data.log is not None and "files" not in proposal.split:
        lines.append(f"log: {_value(list(data.log))}")
    settings = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in data.format
        if value != FormatConfig.model_fields[name].default
    }
    if settings:
        lines.append(f"format: {_value(settings)}")
    if data.explode is not None and proposal.sessions is not None:
        explode = data.explode.model_dump(mode="json", exclude_defaults=True)
        why = f"a row an item: {proposal.sessions.reason}"
        lines.append(_commented(f"explode: {_value(explode)}", why))
    lines += [f"# {_line(note)}" for note in _notes_of_nulls(sample)]
    parts = [other for other in sample.others if split_of(other) is not None]
    tables = [other for other in sample.others if other not in parts]
    if parts:
        names = ", ".join(map(_line, parts))
        lines.append(f"# {names}: not a part of the log, which has other columns.")
    if tables:
        lines += [
            f"# Beside the log lie {', '.join(map(_line, tables))}, with other columns.",
            "# A table with one row a key joins it:",
            "# tables: {NAME: {path: FILE, key: COLUMN}}",
            "# Of events, many rows a key, histories are made, as of the log's own rows below:",
            *_events(proposal, tables),
        ]
    split = f"split: {_value(proposal.split)}"
    if proposal.split["by"] == "hash":
        why = "no column holds the rows' times"
        if proposal.time is not None:
            why = f"the latest rows by {_column(proposal.time.column)} do not have both labels"
        split = _commented(split, why)
    lines.append(split)
    bad, reason = sample.bad
    if bad:
        records = sample.rows if sample.records is None else sample.records
        share = bad / (bad + records)
        comment = f"{bad:,} of {bad + records:,} lines are no rows, the first: {reason}"
        lines.append(f"# {_line(comment)}")
        if share > 0.005:
            lines.append(f"max_rejected_share: {min(1.0, 2 * share + 0.01):.2f}")
    return lines


def _events(proposal: Proposal, others: list[str]) -> list[str]:
    """Settings of `data.events`, in comments: of the files that have the user and a time."""
    logs: dict[str, dict[str, str]] = {}
    for path in others:
        columns = proposal.sample.others[path]
        times = [name for name in columns if hints(name, TIME)]
        if proposal.user in columns and times:
            name = feature_name(path.partition(".")[0], logs)
            logs[name] = {"path": path, "key": proposal.user, "time": times[0]}
    logs = logs or {"NAME": {"path": "FILE", "key": "COLUMN", "time": "COLUMN"}}
    name, log = next(iter(logs.items()))
    return [
        f"# events: {_line(_value(logs))}",
        f"# histories: {_line(_value({name: {'key': log['key'], 'events': name}}))}",
    ]


def _notes_of_nulls(sample: Sample) -> list[str]:
    notes = []
    for text, (numbers, others) in sample.nulls.items():
        note = f"{text} means missing: {', '.join(numbers)} would be numbers but for it"
        if others:
            note += f"; in {', '.join(others)} it is a value"
        notes.append(note)
    return notes


def _histories(proposal: Proposal) -> list[str]:
    if proposal.histories:
        comment = "# What happened to the same user before, strictly before the row's time."
        histories = [f"{name}: {_value(history)}" for name, history in proposal.histories.items()]
        return [comment, "histories:", *_indent(histories)]
    missing = [
        name
        for name, column in (
            ("a user", proposal.user),
            ("a time", proposal.time),
            ("an item", proposal.item),
        )
        if column is None
    ]
    return [
        f"# Histories need {' and '.join(missing)}, which no column was taken for:",
        "# histories: {shown: {key: USER_COLUMN}}",
        "# features: {shown_items: {kind: sequence, history: shown, column: ITEM_COLUMN, "
        "max_length: 50}}",
    ]


def _features(proposal: Proposal) -> list[str]:
    names = dict(proposal.names)
    label: dict[str, Any] = {"role": "label"}
    if proposal.label.at_least is not None:
        label["at_least"] = proposal.label.at_least
    if proposal.label.positive is not None:
        label["positive"] = proposal.label.positive
    others = ", ".join(map(_column, proposal.label.others))
    lines = [_feature(proposal, proposal.label.column, label, f"or {others}" if others else "")]
    taken = [*names.values(), *proposal.sequences]
    for name, settings in proposal.times.items():
        note = "UTC; else add utc_offset_hours" if "transform" in settings else ""
        note = "" if settings.get("unit") == "yymmddhh" else note
        lines.append(_commented(f"{name}: {_value(settings)}", note))
    taken += proposal.times
    if proposal.user is not None:
        name = feature_name(f"{names[proposal.user]}_key", taken)
        settings = {"role": "group_key", "column": proposal.user}
        lines.append(_commented(f"{name}: {_value(settings)}", "gAUC is averaged over these"))
    else:
        lines.append("# No column was taken for a user, so there is no gAUC. To have one:")
        lines.append("# user_key: {role: group_key, column: USER_COLUMN}")
    lines.append("")
    for column in proposal.columns:
        lines.append(_line_of(proposal, column))
    for name, reason in proposal.sample.unread.items():
        lines.append(f"# {_line(name)}: cannot be read: {_line(reason)}")
    if proposal.sequences:
        sequences = proposal.sequences.items()
        lines += ["", *(f"{name}: {_value(settings)}" for name, settings in sequences)]
    return lines


def _line_of(proposal: Proposal, column: Column) -> str:
    facts = proposal.facts[column.column]
    missing = f"{100 * facts.missing:.3g} % missing" if facts.missing else ""
    if column.left_out is None:
        comment = "; ".join(filter(None, (column.reason, missing)))
        return _feature(proposal, column.column, column.settings, comment)
    why = column.left_out
    if column.suspect:
        alone = "" if column.auc is None else f"AUC {column.auc:.3f} alone; "
        why = f"LEAK? {alone}{why}"
    return "# " + _feature(proposal, column.column, column.settings, why)


def _feature(proposal: Proposal, column: str, settings: dict[str, Any], comment: str) -> str:
    name = proposal.names[column]
    if name != column:
        settings = {**settings, "column": column}
    return _commented(f"{_value(name)}: {_value(settings)}", comment)


def _groups(proposal: Proposal) -> list[str]:
    comment = "# Features that are crossed with each other, for branches that read groups."
    if not any("_x_" in name for name in proposal.groups):
        comment = (
            "# Features that are crossed with each other. What is the user's and the item's no "
            "name told: put together what belongs together."
        )
    groups = [f"{name}: {_value(group)}" for name, group in proposal.groups.items()]
    return [comment, "groups:", *_indent(groups)]


def _commented(line: str, comment: str) -> str:
    return f"{line.ljust(_COMMENT_AT)}  # {_line(comment)}" if comment else line


def _line(text: str) -> str:
    """Text that ends no comment: without line breaks and what YAML forbids."""
    return "".join(character if character.isprintable() else " " for character in text)


def _column(name: str) -> str:
    return _line(name)


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


def _value(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=2**31, allow_unicode=True
    )
    return text.strip().removesuffix("...").strip()
