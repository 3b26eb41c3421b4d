"""How far the metrics of models lie apart, and how much of that is the choice of rows and seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.metrics.auc import auc_by_group
from models.metrics.group_auc import WeightBy, group_weights
from pipeline.evaluation.bootstrap import drawn_counts, percentile_interval
from pipeline.evaluation.ranked_rows import METRICS, RankedRows

Interval = tuple[float, float, float]  # difference, lower end, upper end
Runs = Mapping[str, Sequence[np.ndarray]]  # model -> (rows,) probabilities of each seed


def paired_intervals(
    labels: np.ndarray,
    probs: Runs,
    weights: np.ndarray,
    than: str,
    samples: int = 1_000,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """Differences of metrics to one model, means over the seeds, each with a 95 % interval.

    In every sample as many rows and as many seeds as there are are drawn with replacement, the same
    for all models: an interval holds both what another choice of rows and what other seeds would
    change. What makes rows, or a seed, hard for all of them does not widen it.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Model -> an array of probabilities for each seed, in one order of seeds; one array
            where a model was trained once.
        weights: How often each row counts, (rows,).
        than: The model that the others are compared with.
        samples: Number of samples.
        seed: Seed of the drawing.

    Returns:
        Other model -> `auc`, `logloss` and `auc_less_logloss` -> (difference, lower, upper).
    """
    ranked = {name: [RankedRows.of(labels, one) for one in runs] for name, runs in probs.items()}
    rng = np.random.default_rng(seed)
    rows, seeds = len(labels), len(probs[than])

    def differences(weights: np.ndarray, of_seeds: np.ndarray) -> np.ndarray:
        """Other models' metrics less those of one, (models - 1, metrics)."""
        means = {
            name: np.average(
                [runs[i].metrics(labels, weights) for i in np.flatnonzero(of_seeds)],
                axis=0,
                weights=of_seeds[of_seeds > 0],
            )
            for name, runs in ranked.items()
        }
        return np.stack([mean - means[than] for name, mean in means.items() if name != than])

    drawn = [
        differences(drawn_counts(rng, rows) * weights, drawn_counts(rng, seeds))
        for _ in range(samples)
    ]
    found = _with_ends(differences(weights, np.ones(seeds)), np.stack(drawn))
    others = [name for name in probs if name != than]
    return {
        name: dict(zip(METRICS, of_model, strict=True))
        for name, of_model in zip(others, found, strict=True)
    }


def paired_gauc_intervals(
    labels: np.ndarray,
    probs: Runs,
    groups: np.ndarray,
    than: str,
    weight_by: WeightBy,
    samples: int = 1_000,
    seed: int = 0,
) -> dict[str, Interval]:
    """The same of gAUC: groups, such as users, are drawn, whose rows are no independent draws.

    Args:
        labels: As for `paired_intervals`.
        probs: As for `paired_intervals`.
        groups: Group keys, (rows,).
        than: The model that the others are compared with.
        weight_by: How groups count, see `models.metrics.group_auc`.
        samples: Number of samples.
        seed: Seed of the drawing.

    Returns:
        Other model -> (difference, lower, upper); nan where no group has both classes.
    """
    areas, counts = {}, np.zeros(0)
    for name, runs in probs.items():
        found = [auc_by_group(labels, one, groups) for one in runs]
        size, clicks, area = found[0]
        mixed = ~np.isnan(area)
        counts = group_weights(size, clicks, weight_by)[mixed].astype(np.float64)
        areas[name] = np.stack([area[mixed] for _, _, area in found])  # (seeds, groups)
    others = [name for name in probs if name != than]
    seeds, size_of_draw = areas[than].shape
    if not size_of_draw:
        return dict.fromkeys(others, (np.nan, np.nan, np.nan))
    apart = np.stack([areas[name] - areas[than] for name in others])  # (models - 1, seeds, groups)
    rng = np.random.default_rng(seed)

    def differences(of_groups: np.ndarray, of_seeds: np.ndarray) -> np.ndarray:
        by_group = np.average(apart, axis=1, weights=of_seeds)
        return np.average(by_group, axis=1, weights=of_groups * counts)[:, np.newaxis]

    drawn = [
        differences(drawn_counts(rng, size_of_draw), drawn_counts(rng, seeds))
        for _ in range(samples)
    ]
    ends = _with_ends(differences(np.ones(size_of_draw), np.ones(seeds)), np.stack(drawn))
    return {name: of_model[0] for name, of_model in zip(others, ends, strict=True)}


def _with_ends(differences: np.ndarray, drawn: np.ndarray) -> list[list[Interval]]:
    """Difference, lower and upper end of each model's (rows of the arrays) metrics (columns)."""
    lower, upper = percentile_interval(drawn)
    return [
        [(float(d), float(low), float(high)) for d, low, high in zip(*of_model, strict=True)]
        for of_model in zip(differences, lower, upper, strict=True)
    ]
