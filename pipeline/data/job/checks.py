"""Whether the rows that were read make a bundle that something can be learnt from."""

from collections.abc import Mapping
from typing import Any

from features.bundle import SPLITS
from features.errors import DataError
from features.specs import FeatureSet
from features.splits import valid_is_test
from pipeline.data.blocks.carried_columns import event_log_of
from pipeline.data.job.write_bundle import Results
from pipeline.data.settings.data_config import DataConfig, SplitConfig
from pipeline.data.sources.base import EventLog
from pipeline.data.writing.statistics import ALL


def check_results(
    results: Results, features: FeatureSet, data: DataConfig, rejected_path: str
) -> None:
    """Refuses input that makes no usable bundle.

    Args:
        results: What the workers found.
        features: What the columns mean.
        data: The configuration.
        rejected_path: Where the user finds the rejected rows if this refuses.

    Raises:
        DataError: What is wrong with the data, and how to mend it.
        RuntimeError: Rows were lost or doubled: a bug here, or in the runner.
    """
    if results.fatal:
        others = len(results.fatal) - 1
        raise DataError(results.fatal[0] + (f" ({others} more such problems.)" if others else ""))
    _check_rejected(results, data, rejected_path)
    _check_splits(results, data)
    if results.problems:
        raise DataError(results.problems[0])
    _check_classes(results, features)
    _check_accounts(results)


def joins_in_words(
    joins: Mapping[str, int], keys: Mapping[str, str], results: Results, data: DataConfig
) -> list[str]:
    """A line for each side table: how many rows of the log find a row in it.

    Args:
        joins: `unmatched_<side table>` -> rows of the log without a match in it.
        keys: Side table -> column that it has in common with the log.
        results: What the workers found.
        data: The configuration.

    Raises:
        DataError: More rows than `max_unmatched_share` have no match.
    """
    rows = results.rows_read.get("log", 0) - results.rejected.get("log", 0)
    lines = []
    for name, key in keys.items():
        unmatched = joins.get(f"unmatched_{name}")
        if unmatched is None or not rows:  # no feature needs it
            continue
        matched = max(rows - unmatched, 0)
        lines.append(f"joined {name} by {key}: {matched:,} of {rows:,} rows have a match")
        if unmatched > data.max_unmatched_share * rows:
            raise DataError(
                f"{unmatched:,} of {rows:,} rows of the log have no row with their {key!r} in "
                f"table {name!r}, {100 * unmatched / rows:.3g}%, where data.max_unmatched_share "
                f"allows {100 * data.max_unmatched_share:.3g}%. Check that both write {key!r} "
                "alike, or raise data.max_unmatched_share."
            )
    return lines


def events_in_words(
    results: Results, features: FeatureSet, events: Mapping[str, EventLog]
) -> list[str]:
    """A line for each event log that histories name: how many examples see events of it.

    Args:
        results: What the workers found.
        features: What the columns mean.
        events: The source's event logs.

    Raises:
        DataError: No example sees any event of a log.
    """
    splits = [
        counts
        for split, counts in results.statistics.items()
        if split != "valid" or not valid_is_test(results.split_rule)
    ]
    rows = sum(counts[ALL]["rows"] for counts in splits)
    seen: dict[str, int] = {}
    for spec in features.inputs:
        log = event_log_of(spec, features)
        if log is not None:
            empty = sum(counts[spec.name]["missing"] for counts in splits)
            seen[log] = max(seen.get(log, 0), rows - empty)
    lines = []
    for name, count in seen.items():
        key, read = events[name].key, results.rows_read.get(name, 0)
        lines.append(f"events {name} by {key}: {count:,} of {rows:,} rows have earlier ones")
        if not count and rows:
            raise DataError(
                f"no row of the log has an earlier event of its {key!r} in the event log {name!r}, "
                f"which has {read:,} events. Check that both write {key!r} alike, that their times "
                f"count the same (data.events.{name}.unit), and `where` of the history; or remove "
                "it."
            )
    return lines


def _check_rejected(results: Results, data: DataConfig, rejected_path: str) -> None:
    """Each table by itself: a few users without a profile may stand for most rows of the log."""
    for table, rejected in results.rejected.items():
        rows = results.rows_read[table]
        if rejected <= data.max_rejected_share * rows:
            continue
        first = results.first_rejected[table]
        raise DataError(
            f"table {table!r}: {rejected:,} of its {rows:,} rows could not be used, "
            f"{100 * rejected / rows:.3g}%, where data.max_rejected_share allows "
            f"{100 * data.max_rejected_share:.3g}%. The first is {first['file']}, line "
            f"{first['position']}: {first['reason']}. They lie in {rejected_path}. Mend the data "
            "or the feature file, or raise data.max_rejected_share."
        )


def _check_splits(results: Results, data: DataConfig) -> None:
    if not results.rows_read.get("log"):
        raise DataError(
            f"the log of source {data.source!r} has no rows. Check data.path={data.path}."
        )
    split = data.split
    valid, wanted = split.valid, _wanted(split, results.split_rule)
    for name in SPLITS:
        if results.rows.get(name) or not wanted[name]:
            continue
        if split.by == "files":
            remedy = "Its files hold no rows that can be used."
            if name == "valid" and "valid" in results.split_rule:
                remedy = f"Few rows or keys leave it to chance: raise data.split.valid={valid}."
        elif split.by == "day":
            remedy = (
                "The last day is that of the latest row: change data.split.test_days="
                f"{split.test_days} or data.split.valid_days={split.valid_days}, or mend its time."
            )
        elif split.by == "last":
            remedy = f"Check data.split.key={split.key}: few of its values have that many rows."
        elif split.test_from is not None:
            remedy = (
                f"Move data.split.valid_from={split.valid_from} or data.split.test_from="
                f"{split.test_from} to moments inside the data."
            )
        elif name == "train":
            remedy = "Lower data.split.valid or data.split.test."
        else:
            # Under `published` the validation rows are the test rows.
            share = "test" if valid_is_test(results.split_rule) else name
            setting = f"data.split.{share}={getattr(split, share)}"
            remedy = (
                f"Few rows or keys leave it to chance: raise {setting}."
                if split.by == "hash"
                else f"Rows of the same time stay together: raise {setting}."
            )
        shown = ", ".join(f"{name} {count:,}" for name, count in results.rows.items()) or "none"
        raise DataError(f"split {name!r} is empty (rows: {shown}). {remedy}")


def _wanted(split: SplitConfig, rule: Mapping[str, Any]) -> dict[str, bool]:
    """Split -> whether the rule must give it rows."""
    valid, test = split.valid > 0, split.test > 0
    if split.by == "files":
        # Files of validation rows that the publisher gives are wanted whatever the share.
        valid, test = valid if "valid" in rule else True, True
    elif split.by == "day":
        valid, test = split.valid_days > 0, True
    elif split.by == "last" or split.test_from is not None:
        valid = test = True
    return {"train": True, "valid": test if valid_is_test(rule) else valid, "test": test}


def _check_classes(results: Results, features: FeatureSet) -> None:
    label = features.label
    if label is None:
        return
    for split, counts in results.statistics.items():
        rows, positives = counts[ALL]["rows"], counts[ALL]["positives"]
        if 0 < positives < rows:
            continue
        only = 1 if positives else 0
        raise DataError(
            f"split {split!r} has one class only: the label {label.name!r} is {only} in all "
            f"{rows:,} rows. Check its column {label.column!r}"
            + ("" if label.at_least is None else f" and at_least={label.at_least:g}")
            + ", or change data.split so that each split has clicks and non-clicks."
        )


def _check_accounts(results: Results) -> None:
    made = sum(results.rows.values())
    twice = results.rows.get("valid", 0) if valid_is_test(results.split_rule) else 0
    left_out = results.left_out
    written = sum(entry.rows or 0 for entry in results.files.values())
    kept_of = {**results.rows_kept, "log": made - twice + results.rows_kept.get("log", 0)}
    accounts = []
    for table in sorted({*results.rows_read, *results.rejected, *kept_of}):
        read, kept = results.rows_read.get(table, 0), kept_of.get(table, 0)
        rejected = results.rejected.get(table, 0)
        if read != kept + rejected:
            accounts.append(
                f"{read:,} of table {table!r} read, {rejected:,} rejected, {kept:,} kept"
            )
    test = results.rows.get("test", 0)
    if twice != test and valid_is_test(results.split_rule):
        accounts.append(f"{twice:,} rows in valid, where the {test:,} test rows belong")
    if made != written + left_out:
        accounts.append(
            f"{made:,} made into examples, {written:,} written"
            + (f", {left_out:,} positives left out" if left_out else "")
        )
    if accounts:
        raise RuntimeError(
            f"rows do not add up: {'; '.join(accounts)}. This is a bug, or the runner loses data; "
            "no bundle was made."
        )
