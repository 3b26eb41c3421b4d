"""Logloss and calibration of predicted probabilities."""

import numpy as np


def logloss(labels: np.ndarray, probs: np.ndarray) -> float:
    """Mean binary cross-entropy in nats.

    Computed in float64; probabilities are kept one float64 epsilon away from 0 and 1, as
    scikit-learn does.

    Example:
        >>> round(logloss([1, 0], [0.8, 0.2]), 4)
        0.2231

    Args:
        labels: 0s and 1s, (rows,).
        probs: Predicted probabilities, (rows,).

    Returns:
        The mean; nan where there are no rows.
    """
    labels, probs = _checked(labels, probs)
    if not labels.size:
        return float("nan")
    return float(np.mean(row_losses(labels, probs)))


def row_losses(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """The binary cross-entropy of each row in nats, as `logloss` has its mean.

    Args:
        labels: float64 0s and 1s, (rows,).
        probs: Predicted probabilities, float64 (rows,).
    """
    epsilon = np.finfo(np.float64).eps
    inside = np.clip(probs, epsilon, 1.0 - epsilon)
    return -(labels * np.log(inside) + (1.0 - labels) * np.log1p(-inside))


def calibration(labels: np.ndarray, probs: np.ndarray) -> float:
    """Expected over observed positives, sum(probs) / sum(labels); nan without a positive.

    Example:
        >>> calibration([1, 0, 0, 1], [0.5, 0.25, 0.25, 0.5])
        0.75
    """
    labels, probs = _checked(labels, probs)
    return float(probs.sum() / labels.sum()) if labels.any() else float("nan")


def _checked(labels: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, probs = (np.ravel(each).astype(np.float64) for each in (labels, probs))
    if labels.size != probs.size:
        raise ValueError(
            "labels and probs must have one entry per row. "
            f"Received: {labels.size} and {probs.size} entries."
        )
    if not ((probs >= 0.0) & (probs <= 1.0)).all():
        raise ValueError(
            "probs must be probabilities in [0, 1]; apply the sigmoid to logits. "
            f"Received values from {probs.min()} to {probs.max()}."
        )
    return labels, probs
