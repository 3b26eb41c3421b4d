"""How far the metrics of two models lie apart, and how much of that is the choice of the rows."""

from collections.abc import Mapping

import numpy as np

from pipeline.evaluation.ranked_rows import METRICS, RankedRows


def paired_intervals(
    labels: np.ndarray,
    probs: Mapping[str, np.ndarray],
    weights: np.ndarray,
    than: str,
    samples: int = 1_000,
    seed: int = 0,
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Differences of metrics to one model, each with a 95 % interval.

    Rows are drawn with replacement, as many as there are, and all models are measured on the same
    drawn ones: what makes rows hard for all of them does not widen the interval.

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: the
    percentile interval.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Model -> probabilities, (rows,).
        weights: How often each row counts, (rows,).
        than: The model that the others are compared with.
        samples: Number of times that rows are drawn.
        seed: Seed of the drawing.

    Returns:
        Other model -> `auc`, `logloss` and `auc_less_logloss` -> (difference, lower, upper).
    """
    ranked = {name: RankedRows.of(labels, values) for name, values in probs.items()}
    rng = np.random.default_rng(seed)
    rows = len(labels)
    drawn = []
    for _ in range(samples):
        counts = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        drawn.append(_differences(ranked, labels, counts * weights, than))
    differences = _differences(ranked, labels, weights, than)
    lower, upper = np.nanpercentile(np.stack(drawn), [2.5, 97.5], axis=0)
    others = [name for name in probs if name != than]
    return {
        name: {
            metric: (
                float(differences[place, column]),
                float(lower[place, column]),
                float(upper[place, column]),
            )
            for column, metric in enumerate(METRICS)
        }
        for place, name in enumerate(others)
    }


def _differences(
    ranked: Mapping[str, RankedRows], labels: np.ndarray, weights: np.ndarray, than: str
) -> np.ndarray:
    """Other models' metrics less those of one, (models - 1, metrics)."""
    base = ranked[than].metrics(labels, weights)
    return np.stack(
        [each.metrics(labels, weights) - base for name, each in ranked.items() if name != than]
    )
