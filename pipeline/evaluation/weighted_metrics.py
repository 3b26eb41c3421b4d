"""Metrics of examples that count by their weight, such as those of a log with fewer negatives."""

import numpy as np

from models.metrics import entropy_of, row_losses


def weighted_metrics(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """logloss, normalized entropy and calibration as if each row stood there `weights` times.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Predicted probabilities, (rows,).
        weights: How often each row counts, at least 0, (rows,).

    Returns:
        `weighted_logloss`, `weighted_normalized_entropy` and `weighted_calibration`; nan where the
        rows define none.
    """
    labels, probs, weights = (
        np.ravel(each).astype(np.float64) for each in (labels, probs, weights)
    )
    total, positives = weights.sum(), (weights * labels).sum()
    logloss = (weights * row_losses(labels, probs)).sum() / total if total else np.nan
    rate = positives / total if total else np.nan
    entropy = entropy_of(rate) if 0.0 < rate < 1.0 else np.nan
    return {
        "weighted_logloss": float(logloss),
        "weighted_normalized_entropy": float(logloss / entropy),
        "weighted_calibration": float((weights * probs).sum() / positives) if positives else np.nan,
    }


def whole_log_weights(labels: np.ndarray, negatives_kept: float) -> np.ndarray:
    """How many rows of the whole log each row stands for, float64 (rows,).

    Args:
        labels: 0s and 1s, (rows,).
        negatives_kept: Share of the log's negatives that the rows hold, in (0, 1].
    """
    return np.where(np.ravel(labels) > 0.5, 1.0, 1.0 / negatives_kept)
