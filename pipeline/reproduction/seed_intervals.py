"""How far rows of a table lie from its baseline, paired by seed and by example, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.metrics.auc import auc_by_group
from models.metrics.group_auc import WeightBy
from pipeline.evaluation.ranked_rows import METRICS, RankedRows
from pipeline.evaluation.scores import Scores

Interval = tuple[float, float, float]  # difference, lower end, upper end


def seed_intervals(
    labels: np.ndarray,
    probs: Mapping[str, Sequence[np.ndarray]],
    weights: np.ndarray,
    than: str,
    samples: int = 1_000,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """Differences of `auc` and `logloss` to one row, means over the seeds, with 95 % intervals.

    In every sample as many seeds and as many examples as there are are drawn with replacement, the
    same for all rows: an interval holds both what another choice of test rows and what other
    seeds would change. What is hard for every network, or for every network of a seed, does not
    widen it.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Args:
        labels: 0s and 1s, (examples,).
        probs: Row -> a (examples,) array of probabilities for each seed, in one order of seeds.
        weights: How often each example counts, (examples,).
        than: The row that the others are compared with.
        samples: Number of samples.
        seed: Seed of the drawing.

    Returns:
        Other row -> metric -> (difference, lower end, upper end).
    """
    ranked = {name: [RankedRows.of(labels, one) for one in runs] for name, runs in probs.items()}
    rng = np.random.default_rng(seed)
    examples, seeds = len(labels), len(probs[than])

    def differences(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(rows - 1, metrics)."""
        means = {
            name: np.average(
                [runs[i].metrics(labels, weights) for i in np.flatnonzero(chosen)],
                axis=0,
                weights=chosen[chosen > 0],
            )
            for name, runs in ranked.items()
        }
        return np.stack([mean - means[than] for name, mean in means.items() if name != than])

    drawn = [
        differences(_drawn(rng, examples) * weights, _drawn(rng, seeds)) for _ in range(samples)
    ]
    found = _with_ends(differences(weights, np.ones(seeds)), np.stack(drawn))
    others = [name for name in probs if name != than]
    return {
        name: {metric: found[place][METRICS.index(metric)] for metric in ("auc", "logloss")}
        for place, name in enumerate(others)
    }


def seed_gauc_intervals(
    scores: Mapping[str, Sequence[Scores]],
    prediction: Mapping[str, str],
    than: str,
    weight_by: WeightBy,
    samples: int = 1_000,
    seed: int = 0,
) -> dict[str, Interval]:
    """The same of gAUC: seeds and groups, such as users, are drawn, not single examples.

    Args:
        scores: Row -> scores of each seed, with groups.
        prediction: Row -> the prediction that is meant, `fused` or a branch.
        than: The row that the others are compared with.
        weight_by: How groups count.
        samples: Number of samples.
        seed: Seed of the drawing.

    Returns:
        Other row -> (difference, lower end, upper end).
    """
    areas: dict[str, np.ndarray] = {}
    counts = np.zeros(0)
    for name, runs in scores.items():
        by_seed = []
        for one in runs:
            keys = np.asarray(one.groups)
            rows, clicks, area = auc_by_group(one.labels, one.probs[prediction[name]], keys)
            mixed = ~np.isnan(area)
            by_seed.append(area[mixed])
            chosen = {"impressions": rows, "clicks": clicks, "uniform": np.ones(len(rows))}
            counts = np.asarray(chosen[weight_by], np.float64)[mixed]
        areas[name] = np.stack(by_seed)  # (seeds, groups)
    rng = np.random.default_rng(seed)
    others = [name for name in scores if name != than]
    apart = np.stack([areas[name] - areas[than] for name in others])  # (rows - 1, seeds, groups)
    seeds, groups = areas[than].shape

    def differences(drawn_groups: np.ndarray, drawn_seeds: np.ndarray) -> np.ndarray:
        by_group = np.average(apart, axis=1, weights=drawn_seeds)
        return np.average(by_group, axis=1, weights=drawn_groups * counts)[:, None]

    drawn = [differences(_drawn(rng, groups), _drawn(rng, seeds)) for _ in range(samples)]
    found = _with_ends(differences(np.ones(groups), np.ones(seeds)), np.stack(drawn))
    return {name: found[place][0] for place, name in enumerate(others)}


def _drawn(rng: np.random.Generator, count: int) -> np.ndarray:
    """How often each of some things is drawn in as many draws with replacement."""
    return np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)


def _with_ends(differences: np.ndarray, drawn: np.ndarray) -> list[list[Interval]]:
    lower, upper = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return [
        [(float(d), float(low), float(high)) for d, low, high in zip(*each, strict=True)]
        for each in zip(differences, lower, upper, strict=True)
    ]
