"""Sections of a run's report about its data: intervals, calibration, activity, slices, features."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.evaluation.scores import FUSED
from pipeline.evaluation.text_tables import TITLES, TextTable, percent, shown
from pipeline.reporting.bar_charts import bar_chart, dot_chart, interval_chart, mark_chart
from pipeline.reporting.line_charts import line_chart
from pipeline.reporting.page import Folded, Gallery, Paragraph, Part, Picture

_MOST_BARS = 20
_MOST_LINES = 24
_MOST_TABLES = 60


def interval_parts(
    intervals: Mapping[str, Mapping[str, tuple[float, float]]],
    report: Mapping[str, Any],
    pictured: bool,
) -> list[Part]:
    """The intervals of a split's metrics: a table, and pictures where they are asked for."""
    if not intervals:
        return []
    metrics = report["metrics"]
    names = [name for name in TITLES if any(name in each for each in intervals.values())]
    table = TextTable(
        "95 % intervals of these metrics, had other rows been drawn: a bootstrap of rows, for gAUC "
        "of groups. The rows are the same for all, so differences are surer than this looks",
        ("prediction", *(TITLES[name] for name in names)),
        [
            (prediction, *(_interval(each.get(name)) for name in names))
            for prediction, each in intervals.items()
        ],
    )
    pictures = []
    for name in ("auc", "gauc", "normalized_entropy", "calibration") if pictured else ():
        values = {
            prediction: (metrics[prediction][name], *each[name])
            for prediction, each in intervals.items()
            if name in each and metrics[prediction].get(name) is not None
        }
        if values:
            title = f"{TITLES[name]} with 95 % intervals"
            pictures.append(Picture(title, interval_chart(values, TITLES[name])))
    return [table, Gallery(pictures)]


def calibration_parts(numbers: Mapping[str, Any]) -> Iterator[Part]:
    """The calibration curve, and predicted over observed clicks by tenths of the rows."""
    curves = {name: tenths for name, tenths in numbers.get("calibration", {}).items() if tenths}
    if not curves:
        return
    count = max(map(len, curves.values()))
    yield TextTable(
        f"{numbers['split']} rows in tenths, from the least probability of each to its largest: "
        "predicted over observed clicks",
        ("prediction", *(str(part + 1) for part in range(count))),
        [
            (name, *(shown(each["calibration"], 3) for each in tenths))
            for name, tenths in curves.items()
        ],
    )
    lines = {
        name: ([each["predicted"] for each in tenths], [each["clicked"] for each in tenths])
        for name, tenths in curves.items()
    }
    errors = {
        name: (
            range(1, len(tenths) + 1),
            [each["predicted"] - each["clicked"] for each in tenths],
        )
        for name, tenths in curves.items()
    }
    curve = line_chart(lines, "mean probability", diagonal=True, y_label="share of clicks")
    error = line_chart(errors, "tenth of the rows", whole_x=True, y_label="probability less clicks")
    yield Gallery(
        [
            Picture("Calibration", curve, "On the grey line, what is predicted happens."),
            Picture("Error by tenth", error, "Above 0, more is predicted than happens."),
        ]
    )


def activity_parts(numbers: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Part]:
    """gAUC of groups, such as users, by their number of rows."""
    parts = numbers.get("activity", [])
    if not parts:
        return
    groups = report.get("gauc_groups") or "group"
    predictions = [*parts[0]["gauc"]]
    names = [_span(part["least"], part["most"]) for part in parts]
    yield TextTable(
        f"gAUC by the number of {numbers['split']} rows of each {groups}; mixed ones have both "
        "classes, and count",
        ("rows of each", groups, "mixed", "rows", *predictions),
        [
            (
                name,
                f"{part['groups']:,}",
                f"{part['mixed']:,}",
                f"{part['rows']:,}",
                *(shown(part["gauc"][prediction]) for prediction in predictions),
            )
            for name, part in zip(names, parts, strict=True)
        ],
    )
    defined = [
        (name, part["gauc"])
        for name, part in zip(names, parts, strict=True)
        if part["gauc"][FUSED] is not None
    ]
    if defined:
        values = {each: [gauc[each] for _, gauc in defined] for each in predictions}
        marks = mark_chart([name for name, _ in defined], values, "gAUC")
        yield Gallery([Picture(f"gAUC by rows of each {groups}", marks)])


def slice_parts(numbers: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[Part]:
    """Slices of the rows by every feature: pictures, and a table for each feature."""
    slices = numbers.get("slices", {})
    if not slices:
        return
    first = f"{numbers['sampled']:,} of {numbers['rows']:,} {numbers['split']} rows, evenly spaced"
    yield Paragraph(f"Measured on {first}. A dot is a slice, its area its share of the rows.")
    ordered = by_importance(slices, numbers)
    note = "The dashed line: all rows."
    pictures = []
    for name, title, at in (
        ("auc", "AUC of the slices", report["metrics"][FUSED]["auc"]),
        ("calibration", "Calibration of the slices", report["metrics"][FUSED]["calibration"]),
        ("click_rate", "Click rate of the slices", report["click_rate"]),
    ):
        dots = {
            feature: [
                (part[name], part["rows"] / numbers["sampled"])
                for part in slices[feature].values()
                if part[name] is not None
            ]
            for feature in ordered[:_MOST_LINES]
        }
        dots = {feature: of_feature for feature, of_feature in dots.items() if of_feature}
        if dots and at is not None:
            picture = dot_chart(dots, TITLES.get(name, "click rate"), at)
            pictures.append(Picture(title, picture, note))
    yield Gallery(pictures)
    for feature in ordered[:_MOST_TABLES]:
        yield Folded(f"By {feature}", [_slice_table(feature, slices[feature])])
    if len(ordered) > _MOST_TABLES:
        left = len(ordered) - _MOST_TABLES
        yield Paragraph(f"The other {left} features, which matter less, are in report.json.")


def importance_parts(numbers: Mapping[str, Any]) -> Iterator[Part]:
    """Permutation importance of features and feature groups."""
    importance = numbers.get("importance", {})
    pictures, tables = [], []
    for what in ("features", "groups"):
        rises = importance.get(what, {})
        if not rises:
            continue
        largest = dict([*rises.items()][:_MOST_BARS])
        note = f" (the {_MOST_BARS} largest of {len(rises)})" if len(rises) > _MOST_BARS else ""
        title = {"features": "Features", "groups": "Groups of features"}[what]
        bars = bar_chart({name: 1000.0 * rise for name, rise in largest.items()}, "0.001 nats")
        pictures.append(Picture(f"{title}{note}", bars))
        rows: list[tuple[str, ...]] = [(name, shown(1000.0 * x, 2)) for name, x in rises.items()]
        caption = f"{title.lower()}: rise of the logloss"
        tables.append(TextTable(caption, (what, "0.001 nats"), rows))
    if pictures:
        yield Paragraph(
            "Importance: rise of the logloss, in thousandths, when the values of a feature, or of "
            f"a whole group, change places among {importance['rows']:,} {numbers['split']} rows."
        )
        yield Gallery(pictures)
        yield Folded("As numbers", tables)


def _slice_table(feature: str, slices: Mapping[str, Mapping[str, Any]]) -> TextTable:
    rows = [
        (
            name,
            f"{part['rows']:,}",
            percent(part["click_rate"]),
            *(shown(part[metric]) for metric in ("auc", "logloss", "normalized_entropy")),
            shown(part["calibration"], 3),
        )
        for name, part in slices.items()
    ]
    columns = (feature, "rows", "clicks", "AUC", "logloss", "NE", "calibration")
    return TextTable(f"rows by {feature}", columns, rows)


def by_importance(features: Mapping[str, Any], numbers: Mapping[str, Any]) -> list[str]:
    """Names of features, those first without whose values the logloss rises most."""
    rises = numbers.get("importance", {}).get("features", {})
    return sorted(features, key=lambda feature: -rises.get(feature, float("-inf")))


def _interval(ends: tuple[float, float] | None) -> str:
    return shown(None) if ends is None else f"{shown(ends[0])} to {shown(ends[1])}"


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
