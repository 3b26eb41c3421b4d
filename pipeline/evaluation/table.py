"""Metrics as a table in the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

TITLES = {
    "auc": "AUC",
    "gauc": "gAUC",
    "logloss": "logloss",
    "normalized_entropy": "NE",
    "calibration": "calibration",
}


def caption(report: dict[str, Any]) -> str:
    """One line: how many rows, which click rate, how gAUC was averaged."""
    text = f"{report['rows']:,} rows, click rate {report['click_rate']:.3f}"
    if report["gauc_groups"]:
        text += f"; gAUC by {report['gauc_groups']}, weighted by {report['gauc_weight_by']}"
    return text


def shown(value: float | None) -> str:
    """A metric to four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def print_metrics(split: str, report: dict[str, Any], console: Console) -> None:
    """Prints the metrics of one split: a row for the fused prediction and for every branch."""
    metrics = report["metrics"]
    names = list(next(iter(metrics.values())))
    table = Table(title=f"{split}: {caption(report)}", title_justify="left")
    table.add_column("prediction")
    for name in names:
        table.add_column(TITLES[name], justify="right")
    for prediction, values in metrics.items():
        table.add_row(prediction, *(shown(values[name]) for name in names))
    console.print(table)
