"""Metrics of rows that count by weights, such as drawn ones, without sorting them anew."""

from dataclasses import dataclass

import numpy as np

from models.metrics import row_losses

METRICS = ("auc", "logloss", "auc_less_logloss")


@dataclass(frozen=True)
class RankedRows:
    """A model's rows by rising probability, so that an AUC needs no sorting any more.

    Args:
        order: Rows by rising probability, int (rows,).
        ties: First place of each run of equal probabilities in that order.
        losses: Logloss of each row, in nats, in the rows' own order.
    """

    order: np.ndarray
    ties: np.ndarray
    losses: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, probs: np.ndarray) -> "RankedRows":
        """Sorts rows: labels 0s and 1s, (rows,), and probabilities, (rows,)."""
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
