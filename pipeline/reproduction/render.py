"""The results of a table to read: in the terminal, as Markdown, and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.text_tables import TextTable
from pipeline.reproduction.seeds import draw_seeds, save_figure
from pipeline.reproduction.table import PaperTable
from pipeline.reproduction.table_metrics import TABLE_METRICS

_NONE = "–"
_POINTS = 200  # of a curve


def result_tables(table: PaperTable, report: Mapping[str, Any]) -> list[TextTable]:
    """What came out, and, where the paper's data are others, what the paper has on its own.

    Args:
        table: The table.
        report: What `pipeline.reproduction.reproduce.reproduce` writes as table.json.
    """
    tables = [_measured(table, report)]
    if report["data_set"] is None:
        for data_set in table.data_sets:
            published = {
                name: row.published[data_set]
                for name, row in table.rows.items()
                if data_set in row.published and name in report["rows"]
            }
            if published:
                tables.append(_published(table, data_set, published))
    return tables


def markdown(table: PaperTable, report: Mapping[str, Any], command: str) -> str:
    """The page of a table.

    Args:
        table: The table.
        report: As for `result_tables`.
        command: What makes it again.
    """
    parts = [f"# {table.title}", f"After {table.paper}.", _circumstances(report)]
    parts += [f"    {command}"]
    for each in result_tables(table, report):
        head = f"| {' | '.join(each.columns)} |\n|{'---|' * len(each.columns)}"
        rows = "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in each.rows)
        parts.append(f"{each.caption[:1].upper()}{each.caption[1:]}.\n\n{head}\n{rows}")
    parts.append("![Picture](figure.svg)")
    if table.notes:
        parts.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(parts) + "\n"


def draw(
    table: PaperTable,
    report: Mapping[str, Any],
    curves: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    path: Path,
) -> None:
    """Draws the figure of a table.

    Args:
        table: The table.
        report: As for `result_tables`.
        curves: Row -> lines of `curves.jsonl` of each seed, for `figure: curves`.
        path: Where; the suffix chooses the format.
    """
    rows = report["rows"]
    first = table.metrics[0]
    if table.figure == "curves":
        save_figure(path, (8, 5), lambda axes: _draw_curves(axes, curves))
    elif table.figure == "scatter":
        save_figure(path, (8, 5), lambda axes: _draw_scatter(axes, rows, table.metrics[:2]))
    else:
        shown = [
            (name, row[first]["values"])
            for name, row in rows.items()
            if row[first]["mean"] is not None
        ]
        label = f"test {TABLE_METRICS[first].title}: a dot for each seed, a bar at the mean"
        height = 0.45 * len(shown) + 1.1
        save_figure(path, (8, height), lambda axes: draw_seeds(axes, shown, label))


def _circumstances(report: Mapping[str, Any]) -> str:
    seeds = ", ".join(map(str, report["seeds"]))
    return (
        f"Data: {report['data']}, protocol {report['protocol']}, {report['test_rows']:,} test "
        f"rows; layer sizes: {report['sizes']}; seeds {seeds}. Means ± sample standard deviations "
        f"of the seeds. Differences to {report['baseline']} are paired by seed and by example, "
        f"with 95 % intervals of {report['samples']:,} bootstrap samples of seeds and examples."
    )


def _measured(table: PaperTable, report: Mapping[str, Any]) -> TextTable:
    paired = [
        metric
        for metric in table.metrics
        if any("to_baseline" in row[metric] for row in report["rows"].values())
    ]
    here = report["data_set"]
    columns = ["row", *(TABLE_METRICS[metric].title for metric in table.metrics)]
    columns += [f"{TABLE_METRICS[metric].title}, difference" for metric in paired]
    columns += [f"{TABLE_METRICS[metric].title}, paper" for metric in table.metrics if here]
    rows = []
    for name, row in report["rows"].items():
        cells = [name, *(_mean(row[metric], metric) for metric in table.metrics)]
        cells += [_difference(row[metric], metric) for metric in paired]
        if here:
            published = table.rows[name].published.get(here, {})
            cells += [TABLE_METRICS[m].shown(published.get(m)) for m in table.metrics]
        rows.append(tuple(cells))
    caption = f"{table.title}: {report['test_rows']:,} test rows, {len(report['seeds'])} seeds"
    return TextTable(f"{caption}; differences to {report['baseline']}", tuple(columns), rows)


def _published(
    table: PaperTable, data_set: str, published: Mapping[str, Mapping[str, float]]
) -> TextTable:
    metrics = [m for m in table.metrics if any(m in values for values in published.values())]
    base = published.get(table.baseline, {})
    columns = ["row", *(TABLE_METRICS[metric].title for metric in metrics)]
    columns += [
        f"{TABLE_METRICS[metric].title}, difference" for metric in metrics if metric in base
    ]
    rows = []
    for name, values in published.items():
        cells = [name, *(TABLE_METRICS[metric].shown(values.get(metric)) for metric in metrics)]
        for metric in metrics:
            if metric in base:
                apart = None if metric not in values else values[metric] - base[metric]
                shown = TABLE_METRICS[metric].shown(apart, signed=True)
                cells.append(_NONE if name == table.baseline else shown)
        rows.append(tuple(cells))
    return TextTable(f"published, on other data: {data_set}", tuple(columns), rows)


def _escaped(cell: str) -> str:
    """A cell of Markdown: a bar would begin another one."""
    return cell.replace("|", "\\|")


def _mean(cell: Mapping[str, Any], metric: str) -> str:
    shown = TABLE_METRICS[metric].shown
    if cell["spread"] is None:
        return shown(cell["mean"])
    return f"{shown(cell['mean'])} ± {shown(cell['spread'])}"


def _difference(cell: Mapping[str, Any], metric: str) -> str:
    if "to_baseline" not in cell:
        return _NONE
    apart, low, high = (TABLE_METRICS[metric].shown(x, signed=True) for x in cell["to_baseline"])
    return f"{apart} ({low} to {high})"


def _draw_scatter(axes: Any, rows: Mapping[str, Any], metrics: Sequence[str]) -> None:
    across, up = metrics
    for name, row in rows.items():
        if row[across]["mean"] is None or row[up]["mean"] is None:
            continue
        axes.plot(row[across]["mean"], row[up]["mean"], "o")
        place = (row[across]["mean"], row[up]["mean"])
        axes.annotate(name, place, xytext=(5, 3), textcoords="offset points", fontsize=8)
    axes.set(xlabel=f"test {TABLE_METRICS[across].title}", ylabel=f"test {TABLE_METRICS[up].title}")
    axes.grid(alpha=0.3)


def _draw_curves(axes: Any, curves: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> None:
    """Normalized entropy of all examples so far, progressive in the first epoch."""
    for name, runs in curves.items():
        by_seed = [
            [(line["examples"], line["normalized_entropy"]["fused"]) for line in lines]
            for lines in ([x for x in run if x["normalized_entropy"]] for run in runs)
            if lines
        ]
        if not by_seed:
            continue
        stop = min(points[-1][0] for points in by_seed)
        start = max(points[0][0] for points in by_seed)
        at = np.linspace(start, stop, _POINTS)
        lines = [np.interp(at, *np.array(points).T) for points in by_seed]
        axes.plot(at, np.mean(lines, axis=0), label=name)
    axes.set(xlabel="training examples", ylabel="normalized entropy of all examples so far")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
