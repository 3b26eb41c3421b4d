"""The days one below the other: history.jsonl for programs, index.html for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.daily.bless import METRICS
from pipeline.daily.service import Service, read_service
from pipeline.daily.state_folder import DayFolder, StateFolder
from pipeline.evaluation.text_tables import TextTable
from pipeline.reporting.page import Bullets, Paragraph, Part, Section, render_page
from pipeline.system.files import write_text

_NONE = "–"
_TITLES = {
    "auc": "AUC",
    "gauc": "gAUC",
    "logloss": "logloss",
    "normalized_entropy": "NE",
    "calibration": "calibration",
}
_COMPARED = ("auc", "gauc", "logloss")
_MOST_DRIFT = 5  # features of a day that are named
_STOPPED = {
    "build": "refused",
    "check": "refused",
    "train": "not blessed",
    "bless": "not blessed",
    "publish": "not blessed",
}


def write_history(state: StateFolder) -> None:
    """Writes history.jsonl and index.html from what the folders of the days hold."""
    service, days = read_service(state), state.days()
    lines = [line_of(day, service) for day in days]
    write_text(str(state.history), "".join(f"{json.dumps(line)}\n" for line in lines))
    write_text(str(state.page), _page(lines, service))


def line_of(day: DayFolder, service: Service) -> dict[str, Any]:
    """A day as a line of history.jsonl.

    Returns:
        `day`; `decision`: `published`, `withdrawn` (by a rollback), `not blessed`, `refused`, or
        `unfinished`; `stage`, the last one that is finished; `reasons`; `version`; `in_service`,
        the day it was compared with; `rows`, `label_rate`; `drift`, the features that lie furthest
        from the last days; `metrics`, as `judge` reports them; `slices`; `bytes` of the bundle and
        of the export; `seconds` of each stage.
    """
    markers = {marker.stage: marker for marker in day.markers()}
    facts = {stage: marker.facts for stage, marker in markers.items()}
    last = list(markers.values())[-1]
    version = facts.get("publish", {}).get("version")
    drift = facts.get("check", {}).get("drift", {})
    furthest = sorted(drift.items(), key=lambda item: -item[1]["distance"])[:_MOST_DRIFT]
    blessed = facts.get("bless", {})
    return {
        "day": day.day,
        "decision": _decision(last.stage, last.reasons, version, service),
        "stage": last.stage,
        "reasons": last.reasons,
        "version": version,
        "in_service": blessed.get("in_service"),
        "rows": facts.get("check", {}).get("rows"),
        "label_rate": facts.get("check", {}).get("label_rate"),
        "drift": dict(furthest),
        "metrics": blessed.get("metrics", {}),
        "slices": blessed.get("slices", []),
        "bytes": {stage: facts.get(stage, {}).get("bytes") for stage in ("build", "publish")},
        "seconds": {stage: marker.seconds for stage, marker in markers.items()},
    }


def _decision(stage: str, reasons: Sequence[str], version: int | None, service: Service) -> str:
    if reasons:
        return _STOPPED[stage]
    if stage != "publish":
        return "unfinished"
    published = service.version(version)
    return "withdrawn" if published is not None and published.withdrawn else "published"


def _page(lines: Sequence[Mapping[str, Any]], service: Service) -> str:
    newest = list(reversed(lines))
    judged = [line for line in newest if line["metrics"]]
    lead: list[Part] = [
        Paragraph(_in_service(service)),
        _days_table(newest),
        _models_table(judged),
        _differences_table([line for line in judged if line["in_service"] is not None]),
        _data_table([line for line in newest if line["rows"] is not None]),
    ]
    stopped = [
        Section(f"{line['day']}: {line['decision']}", [Bullets(line["reasons"])])
        for line in newest
        if line["reasons"]
    ]
    return render_page(f"{service.name}, day by day", lead, stopped)


def _in_service(service: Service) -> str:
    stable = service.version(service.stable)
    if stable is None:
        said = "No version has the label stable."
    else:
        said = f"Version {stable.number}, of {stable.day}, is stable."
    canary = service.version(service.canary)
    if canary is not None and canary != stable:
        said += f" Version {canary.number}, of {canary.day}, is the canary."
    return said


def _days_table(lines: Sequence[Mapping[str, Any]]) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (
            line["day"],
            line["decision"],
            _text(line["version"], "d"),
            line["in_service"] or _NONE,
            _text(sum(line["seconds"].values()), ".0f"),
            _megabytes(line["bytes"]["build"]),
            _megabytes(line["bytes"]["publish"]),
        )
        for line in lines
    ]
    columns = ("day", "decision", "version", "compared with", "s", "bundle, MB", "export, MB")
    return TextTable("What became of each day", columns, rows)


def _models_table(lines: Sequence[Mapping[str, Any]]) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (line["day"], *(_value(line["metrics"].get(name), "candidate") for name in METRICS))
        for line in lines
    ]
    return TextTable("The day's model on its test rows", ("day", *_TITLES.values()), rows)


def _differences_table(lines: Sequence[Mapping[str, Any]]) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (line["day"], *(_difference(line["metrics"].get(name)) for name in _COMPARED))
        for line in lines
    ]
    caption = "Less the model in service on the same rows, with 95 % intervals"
    return TextTable(caption, ("day", *(_TITLES[name] for name in _COMPARED)), rows)


def _value(values: Mapping[str, Any] | None, side: str) -> str:
    return _NONE if values is None else _text(values[side], ".4f")


def _difference(values: Mapping[str, Any] | None) -> str:
    if values is None or values["difference"] is None or values["interval"] is None:
        return _NONE
    low, high = values["interval"]
    return f"{values['difference']:+.4f} ({low:+.4f} to {high:+.4f})"


def _data_table(lines: Sequence[Mapping[str, Any]]) -> TextTable:
    rows: list[tuple[str, ...]] = [
        (
            line["day"],
            f"{line['rows']:,}",
            _text(line["label_rate"], ".4f"),
            _furthest(line["drift"]),
        )
        for line in lines
    ]
    columns = ("day", "rows", "label rate", "furthest from the last days")
    return TextTable("The day's data", columns, rows)


def _furthest(drift: Mapping[str, Any]) -> str:
    named = [f"{name} {each['distance']:.3f}" for name, each in drift.items()]
    return ", ".join(named[:3]) or _NONE


def _text(value: Any, form: str) -> str:
    return _NONE if value is None else format(value, form)


def _megabytes(size: int | None) -> str:
    return _NONE if size is None else f"{size / 1e6:.1f}"
