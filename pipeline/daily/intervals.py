"""Bootstrap intervals of what `paired_intervals` does not measure: calibration and gAUC.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: the percentile
interval.
"""

import numpy as np

from models.metrics.auc import auc_by_group
from models.metrics.group_auc import WeightBy


def calibration_interval(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray, samples: int, seed: int = 0
) -> list[float]:
    """A 95 % interval of predicted over observed clicks; rows are drawn with replacement.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Probabilities, (rows,).
        weights: How often each row counts, (rows,).
        samples: Number of times that rows are drawn.
        seed: Seed of the drawing.
    """
    rng, rows = np.random.default_rng(seed), len(labels)
    predicted, observed = weights * probs, weights * labels
    ratios = np.full(samples, np.nan)
    for sample in range(samples):
        counts = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        clicks = counts @ observed
        if clicks:
            ratios[sample] = counts @ predicted / clicks
    return _ends(ratios)


def gauc_interval(
    labels: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    groups: np.ndarray,
    weight_by: WeightBy,
    samples: int,
    seed: int = 0,
) -> list[float]:
    """A 95 % interval of the gAUC of one model less that of another.

    Groups are drawn, not rows: the rows of a user are no independent draws. Both models are
    measured on the same drawn groups.

    Args:
        labels: 0s and 1s, (rows,).
        one: Probabilities of the one model, (rows,).
        other: Probabilities of the other, (rows,).
        groups: Group keys, (rows,).
        weight_by: How groups count, see `models.metrics.group_auc`.
        samples: Number of times that groups are drawn.
        seed: Seed of the drawing.

    Returns:
        Lower and upper end; nan twice where no group has both classes.
    """
    rows, positives, areas = auc_by_group(labels, one, groups)
    _, _, other_areas = auc_by_group(labels, other, groups)
    weights = {"impressions": rows, "clicks": positives, "uniform": np.ones_like(rows)}[weight_by]
    mixed = ~np.isnan(areas)
    weights, apart = weights[mixed].astype(np.float64), (areas - other_areas)[mixed]
    rng, size = np.random.default_rng(seed), len(apart)
    drawn = np.full(samples, np.nan)
    for sample in range(samples if size else 0):
        counts = np.bincount(rng.integers(0, size, size), minlength=size) * weights
        drawn[sample] = counts @ apart / counts.sum()
    return _ends(drawn)


def _ends(values: np.ndarray) -> list[float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return [float("nan")] * 2
    return [float(end) for end in np.percentile(known, [2.5, 97.5])]
