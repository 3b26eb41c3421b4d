"""What the runs of a table say: means, spreads, and differences to the baseline."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import UserError
from models.metrics.group_auc import WeightBy
from models.network.logit_map import FUSED
from pipeline.evaluation.paired_bootstrap import (
    Interval,
    paired_gauc_intervals,
    paired_intervals,
)
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.weighted_metrics import whole_log_weights
from pipeline.reproduction.table import TableRow
from pipeline.reproduction.table_metrics import TABLE_METRICS

_DRAWN_ROWS = 300_000_000  # examples times samples times runs of the bootstrap


@dataclass(frozen=True)
class RowRuns:
    """The runs of a row, in the order of the seeds.

    Args:
        row: What the table says of it.
        metrics: Content of each run's metrics.json.
        scores: Scores of each run's test rows.
    """

    row: TableRow
    metrics: Sequence[Mapping[str, Any]]
    scores: Sequence[Scores]

    @property
    def prediction(self) -> str:
        """Whose probabilities are meant."""
        return self.row.branch or FUSED


def table_results(
    runs: Mapping[str, RowRuns], metrics: Sequence[str], baseline: str, weight_by: WeightBy
) -> dict[str, Any]:
    """The numbers of a table.

    Args:
        runs: Row -> its runs.
        metrics: Names of `TABLE_METRICS`.
        baseline: Row that differences are taken to.
        weight_by: How groups count in gAUC.

    Returns:
        `rows`: row -> metric -> `values` of the seeds, `mean` and `spread` (sample standard
        deviation), all None where a run has no such metric, and `to_baseline`, [difference, lower,
        upper] with a 95 % interval, for the metrics that have one; `samples` of the bootstrap; and
        `test_rows`.

    Raises:
        UserError: The test rows of two runs are not the same.
    """
    labels = _same_labels(runs)
    count = sum(len(each.scores) for each in runs.values())
    samples = int(np.clip(_DRAWN_ROWS / (len(labels) * count), 200, 1_000))
    to_baseline = _differences(runs, metrics, baseline, labels, samples, weight_by)
    rows: dict[str, dict[str, Any]] = {}
    for name, each in runs.items():
        rows[name] = {}
        for metric in metrics:
            values = [measured(one, metric, each.row.branch) for one in each.metrics]
            rows[name][metric] = {**_spread(values), **to_baseline.get(name, {}).get(metric, {})}
    return {"rows": rows, "samples": samples, "test_rows": len(labels)}


def measured(metrics: Mapping[str, Any], name: str, branch: str | None = None) -> float | None:
    """A measure of a run's test rows; None where the run has none.

    Args:
        metrics: Content of the run's metrics.json.
        name: Of `TABLE_METRICS`.
        branch: Whose prediction; None for the fused one.
    """
    test = metrics["evaluation"]["test"]
    place = test.get("cooperation", {}) if TABLE_METRICS[name].of_network else None
    if place is None:
        place = test["metrics"].get(branch or FUSED, {})
    value: float | None = place.get(name)
    return value


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"values": list(values), "mean": None, "spread": None}
    spread = statistics.stdev(known) if len(known) > 1 else None
    return {"values": known, "mean": statistics.mean(known), "spread": spread}


def _same_labels(runs: Mapping[str, RowRuns]) -> np.ndarray:
    first = next(iter(runs.values())).scores[0].labels
    for name, each in runs.items():
        for scores in each.scores:
            if not np.array_equal(scores.labels, first):
                raise UserError(
                    f"the test rows of {name!r} are others than those of the first row, so nothing "
                    "can be paired. Give settings of data to all rows, with --set."
                )
    return first


def _differences(
    runs: Mapping[str, RowRuns],
    metrics: Sequence[str],
    baseline: str,
    labels: np.ndarray,
    samples: int,
    weight_by: WeightBy,
) -> dict[str, dict[str, dict[str, Interval]]]:
    """Row -> metric -> {"to_baseline": interval}; nothing of rows whose branch has no logit."""
    told = {
        name: each
        for name, each in runs.items()
        if all(each.prediction in scores.probs for scores in each.scores)
    }
    if len(told) < 2 or baseline not in told or labels.min() == labels.max():
        return {}
    probs = {name: [s.probs[each.prediction] for s in each.scores] for name, each in told.items()}
    first = told[baseline].scores[0]
    weights = whole_log_weights(labels, first.negatives_kept)
    found: dict[str, dict[str, dict[str, Interval]]] = {}
    for name, intervals in paired_intervals(labels, probs, weights, baseline, samples).items():
        found[name] = {
            metric: {"to_baseline": interval}
            for metric, interval in intervals.items()
            if metric in metrics
        }
    if "gauc" in metrics and first.groups is not None:
        groups = first.groups
        gauc = paired_gauc_intervals(labels, probs, groups, baseline, weight_by, samples)
        for name, interval in gauc.items():
            if not np.isnan(interval).any():  # no user has both classes
                found[name]["gauc"] = {"to_baseline": interval}
    return found
