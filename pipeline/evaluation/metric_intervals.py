"""How far the metrics of a split would lie elsewhere if other rows had been drawn for it."""

import math
from collections.abc import Callable

import numpy as np

from models.metrics import auc_by_group, entropy_of
from models.metrics.group_auc import WeightBy, group_weights
from pipeline.evaluation.bootstrap import drawn_counts, percentile_interval
from pipeline.evaluation.ranked_rows import RankedRows
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.weighted_metrics import whole_log_weights

Interval = tuple[float, float]


def metric_intervals(
    scores: Scores,
    gauc_weight_by: WeightBy,
    samples: int = 200,
    most_rows: int = 100_000,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """95 % intervals of the metrics of every prediction, by drawing rows with replacement.

    gAUC is drawn by its groups, whose rows belong together. Of larger splits evenly spaced rows
    are drawn from; their spread is that of fewer rows, and is scaled down by the root of the share.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: the
    percentile interval; Bickel, Götze and van Zwet, Statistica Sinica 7 (1997), of fewer rows.

    Args:
        scores: Labels and probabilities of the split.
        gauc_weight_by: How groups count in gAUC; see `models.metrics.group_auc`.
        samples: Number of times that rows are drawn.
        most_rows: Rows, and groups, that are drawn from.
        seed: Seed of the drawing.

    Returns:
        Prediction -> `auc`, `logloss`, `normalized_entropy`, `calibration`, and where there are
        groups `gauc` -> (lower, upper). What the rows do not define is left out.
    """
    if not len(scores.labels):
        return {name: {} for name in scores.probs}
    kept = spaced(len(scores.labels), most_rows)
    labels = scores.labels[kept].astype(np.float64)
    weights = whole_log_weights(labels, scores.negatives_kept)
    measures = {
        name: _measure(labels, probs[kept], weights) for name, probs in scores.probs.items()
    }
    found = _drawn(measures, len(scores.labels), len(kept), samples, seed)
    if scores.groups is not None:
        for name, probs in scores.probs.items():
            rows, clicks, areas = auc_by_group(scores.labels, probs, scores.groups)
            mixed = np.flatnonzero(~np.isnan(areas))
            if mixed.size:
                some = mixed[spaced(mixed.size, most_rows)]
                weights = group_weights(rows, clicks, gauc_weight_by)
                measure = _mean(areas[some], weights[some])
                drawn = _drawn({name: measure}, mixed.size, len(some), samples, seed)
                found[name] |= drawn[name]
    return found


def spaced(rows: int, most: int) -> np.ndarray:
    """Places of at most so many rows, evenly spaced from the first to the last."""
    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)


Measure = Callable[[np.ndarray], dict[str, float]]


def _measure(labels: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> Measure:
    """Metrics of rows by how often each was drawn."""
    ranked = RankedRows.of(labels, probs)

    def of(counts: np.ndarray) -> dict[str, float]:
        counted = counts * weights
        total, clicks = counted.sum(), counted @ labels
        rate = clicks / total
        if not 0.0 < rate < 1.0:
            return {}
        logloss = float(counted @ ranked.losses / total)
        return {
            "auc": float(ranked.metrics(labels, counts)[0]),
            "logloss": logloss,
            "normalized_entropy": logloss / entropy_of(rate),
            "calibration": float(counted @ probs / clicks),
        }

    return of


def _mean(areas: np.ndarray, weights: np.ndarray) -> Measure:
    """gAUC of groups by how often each was drawn."""

    def of(counts: np.ndarray) -> dict[str, float]:
        total = counts @ weights
        return {"gauc": float(counts @ (weights * areas) / total)} if total else {}

    return of


def _drawn(
    measures: dict[str, Measure], rows: int, kept: int, samples: int, seed: int
) -> dict[str, dict[str, Interval]]:
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(samples):
        counts = drawn_counts(rng, kept)
        for name, measure in measures.items():
            drawn[name].append(measure(counts))
    shrink = math.sqrt(kept / rows)
    found: dict[str, dict[str, Interval]] = {}
    for name, measure in measures.items():
        found[name] = {}
        for metric, value in measure(np.ones(kept)).items():
            values = [each[metric] for each in drawn[name] if metric in each]
            if values:
                low, high = percentile_interval(np.array(values))
                found[name][metric] = (
                    float(value + shrink * (low - value)),
                    float(value + shrink * (high - value)),
                )
    return found
