"""How far the metrics of two models lie apart, and how much of that is the choice of the rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.metrics import row_losses

METRICS = ("auc", "logloss", "auc_less_logloss")


@dataclass(frozen=True)
class _Sorted:
    """A model's rows by rising probability, so that an AUC needs no sorting any more."""

    order: np.ndarray
    ties: np.ndarray  # first place of each run of equal probabilities
    losses: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, probs: np.ndarray) -> "_Sorted":
        order = np.argsort(probs, kind="stable")
        ranked = probs[order]
        ties = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        return cls(order, ties, row_losses(labels, probs))

    def metrics(self, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """`METRICS` of rows that count by their weights; the AUC counts ties half."""
        clicks = np.add.reduceat((weights * labels)[self.order], self.ties)
        others = np.add.reduceat((weights * (1.0 - labels))[self.order], self.ties)
        pairs = clicks.sum() * others.sum()
        below = np.cumsum(others) - 0.5 * others
        auc = float(clicks @ below / pairs) if pairs else np.nan
        logloss = float(weights @ self.losses / weights.sum())
        return np.array([auc, logloss, auc - logloss])


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
    ranked = {name: _Sorted.of(labels, values) for name, values in probs.items()}
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
    ranked: Mapping[str, _Sorted], labels: np.ndarray, weights: np.ndarray, than: str
) -> np.ndarray:
    """Other models' metrics less those of one, (models - 1, metrics)."""
    base = ranked[than].metrics(labels, weights)
    return np.stack(
        [each.metrics(labels, weights) - base for name, each in ranked.items() if name != than]
    )
