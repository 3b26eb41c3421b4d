"""What an evaluation shows, as tables of text: the terminal and report.html print the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TITLES = {
    "auc": "AUC",
    "gauc": "gAUC",
    "logloss": "logloss",
    "normalized_entropy": "NE",
    "calibration": "calibration",
}
_WEIGHTED = "weighted_"
_MOST_ROWS = 20
_NONE = "–"


@dataclass(frozen=True)
class TextTable:
    """A table: the first column names things, the others hold numbers.

    Args:
        caption: One line above it.
        columns: Headings.
        rows: Rows of as many cells as there are columns.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def split_tables(report: Mapping[str, Any]) -> list[TextTable]:
    """The tables of one split: its predictions, and where it has branches how they cooperate."""
    tables = prediction_tables(report)
    if "units" in report.get("life", {}):
        tables.append(_life(report["life"]))
    cooperation = report.get("cooperation")
    if cooperation:
        tables.append(_pairs(cooperation))
        if "branches" in cooperation:
            tables.append(_branches(cooperation["branches"]))
    return tables


def embedding_tables(report: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[TextTable]:
    """Information abundance, a row for each vocabulary and a column for each embedding set.

    Args:
        report: What `evaluate.tables_report` returns, or an empty mapping.

    Returns:
        One table; none where nothing is embedded from a table.
    """
    sets = {name: tables for name, tables in report.items() if tables}
    if not sets:
        return []
    rows = {name: table["rows"] for tables in sets.values() for name, table in tables.items()}
    largest = sorted(rows, key=lambda name: -rows[name])
    widths = {name: next(iter(tables.values()))["width"] for name, tables in sets.items()}
    note = f" (the {_MOST_ROWS} largest of {len(rows)})" if len(rows) > _MOST_ROWS else ""
    at_most = ", ".join(map(str, sorted(set(widths.values()))))
    headings = widths if "," not in at_most else (f"{n} ({w} wide)" for n, w in widths.items())
    return [
        TextTable(
            f"information abundance of the embedding tables{note}: 1 where all rows lie on a "
            f"line, at most the width, {at_most}",
            ("vocabulary", "rows", *headings),
            [
                (
                    name,
                    f"{rows[name]:,}",
                    *(shown(tables[name]["information_abundance"], 2) for tables in sets.values()),
                )
                for name in largest[:_MOST_ROWS]
            ],
        )
    ]


def prediction_tables(report: Mapping[str, Any]) -> list[TextTable]:
    """The metrics of a split's predictions; where rows have weights, a table with those too."""
    caption = f"{report['rows']:,} rows, click rate {report['click_rate']:.3f}"
    if report["gauc_groups"]:
        caption += f"; gAUC by {report['gauc_groups']}, weighted by {report['gauc_weight_by']}"
    if "negatives_kept" in report:
        caption += f"; of the whole log, of whose negatives {report['negatives_kept']:g} were kept"
    metrics = report["metrics"]
    names = list(next(iter(metrics.values())))
    weighted = [name for name in names if name.startswith(_WEIGHTED)]
    tables = [_predictions(caption, metrics, [name for name in names if name not in weighted])]
    if weighted:
        caption = "the same rows, each counted by its weight"
        tables.append(_predictions(caption, metrics, weighted))
    before = report.get("before_recalibration")
    if before is not None:
        caption = "before recalibration, which is fitted to validation rows"
        tables.append(_predictions(caption, before, [name for name in names if name != "gauc"]))
    return tables


def _predictions(
    caption: str, metrics: Mapping[str, Mapping[str, float | None]], names: Sequence[str]
) -> TextTable:
    return TextTable(
        caption,
        ("prediction", *(TITLES[name.removeprefix(_WEIGHTED)] for name in names)),
        [
            (prediction, *(shown(values[name]) for name in names))
            for prediction, values in metrics.items()
        ],
    )


def _life(life: Mapping[str, Any]) -> TextTable:
    spread, units = life["logit_spread"], life["units"]
    caption = (
        f"last layers of the branches, {units:,} units each: dead ones are 0 for every row, "
        "saturated ones another number"
    )
    columns = ("branch", "dead", "saturated", "logits span")
    rows = [
        (
            name,
            f"{dead:,} ({dead / units:.0%})",
            f"{life['saturated_units'][name]:,}",
            f"{spread[name]:.3g}" if name in spread else _NONE,
        )
        for name, dead in life["dead_units"].items()
    ]
    return TextTable(caption, columns, [*rows, ("fused", _NONE, _NONE, f"{spread['fused']:.3g}")])


def _pairs(cooperation: Mapping[str, Any]) -> TextTable:
    pairs = cooperation["pairs"]
    total = shown(cooperation["cross_expert_correlation"])
    caption = f"pairs of branches: the sum of their cross-expert correlations is {total}"
    if len(pairs) > _MOST_ROWS:
        caption += f"; the {_MOST_ROWS} most correlated of {len(pairs)} pairs"
        pairs = sorted(pairs, key=lambda pair: -(pair["cross_expert_correlation"] or 0.0))
    columns = {"correlation": [shown(pair["cross_expert_correlation"]) for pair in pairs]}
    if "live_cross_expert_correlation" in pairs[0]:
        caption += "; of live units, leaving out those that are constant"
        columns["of live units"] = [shown(pair["live_cross_expert_correlation"]) for pair in pairs]
    if "logit_correlation" in pairs[0]:
        columns["of logits"] = [shown(pair["logit_correlation"]) for pair in pairs]
    if "disagreement" in pairs[0]:
        caption += "; they disagree where 0.5 lies between them"
        columns["disagree on"] = [percent(pair["disagreement"]) for pair in pairs]
    names = [" + ".join(pair["branches"]) for pair in pairs]
    rows = list(zip(names, *columns.values(), strict=True))
    return TextTable(caption, ("pair", *columns), rows[:_MOST_ROWS])


def _branches(branches: Mapping[str, Mapping[str, Any]]) -> TextTable:
    first = next(iter(branches.values()))
    captions = []
    columns: dict[str, list[str]] = {}
    if "constant_units" in first:
        captions.append(f"constant units of {first['units']:,}")
        columns["constant units"] = [f"{each['constant_units']:,}" for each in branches.values()]
    if "best_share" in first:
        captions.append("best where its logloss is the lowest")
        columns["best on"] = [percent(branch["best_share"]) for branch in branches.values()]
    if "fusion_weight" in first:
        captions.append("weights in the fusion over the examples")
        for statistic in first["fusion_weight"]:
            columns[f"{statistic} weight"] = [
                shown(branch["fusion_weight"][statistic]) for branch in branches.values()
            ]
    rows = list(zip(branches, *columns.values(), strict=True))
    return TextTable(f"branches: {'; '.join(captions)}", ("branch", *columns), rows)


def shown(value: float | None, digits: int = 4) -> str:
    """A number to so many digits; a dash where there is none."""
    return _NONE if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent; a dash where there is none."""
    return _NONE if value is None else f"{100.0 * value:.2f} %"
