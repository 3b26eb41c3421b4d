"""Branches against each other, example by example: where they disagree, and which is the best."""

import itertools
import math

import numpy as np


def disagreement(
    labels: np.ndarray, probs: np.ndarray, threshold: float = math.log(2.0)
) -> np.ndarray:
    """The share of examples on which one branch of a pair is strong and the other weak.

    Strong is a logloss below the threshold, weak one above it, as for co-teaching (MBCnet,
    arXiv:2411.13057v2, Eq. 10 and 11); a logloss of just the threshold is neither. At ln 2, where
    a prediction of 0.5 lies, that is: the two probabilities are on different sides of 0.5.

    Example:
        >>> disagreement([1, 0], [[0.9, 0.2, 0.5], [0.4, 0.3, 0.8]])
        array([0.5, 0.5, 0.5])

    Args:
        labels: 0s and 1s, (rows,).
        probs: Predicted probabilities, (rows, n).
        threshold: In nats.

    Returns:
        float64 (n (n - 1) / 2,), the pairs (a, b) with a < b in the order of
        `itertools.combinations`; nan where there is no row.
    """
    clicked, probs = _checked(labels, probs)
    pairs = list(itertools.combinations(range(probs.shape[1]), 2))
    if not len(probs):
        return np.full(len(pairs), np.nan)
    right = np.where(clicked, probs, 1.0 - probs)  # exp(-logloss)
    bound = math.exp(-threshold)
    side = np.sign(right - bound)  # 1 strong, -1 weak
    return np.array([np.mean(side[:, a] * side[:, b] < 0) for a, b in pairs])


def best_share(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """The share of examples on which each branch has the lowest logloss; ties are split evenly.

    Example:
        >>> best_share([1, 0], [[0.9, 0.2], [0.3, 0.3]])
        array([0.75, 0.25])

    Args:
        labels: 0s and 1s, (rows,).
        probs: Predicted probabilities, (rows, n).

    Returns:
        float64 (n,), of sum 1; nan where there is no row.
    """
    clicked, probs = _checked(labels, probs)
    if not len(probs):
        return np.full(probs.shape[1], np.nan)
    # Logloss falls with the probability of the label. Not 1 - probs: it rounds small ones away.
    merit = np.where(clicked, probs, -probs)
    best = merit == merit.max(axis=1, keepdims=True)
    return np.mean(best / best.sum(axis=1, keepdims=True), axis=0)


def _checked(labels: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each label is 1, (rows, 1), and the probabilities in float64, (rows, n)."""
    labels, probs = np.asarray(labels), np.asarray(probs, np.float64)
    if probs.ndim != 2 or labels.shape != probs.shape[:1]:
        raise ValueError(
            "expected labels (rows,) and probs (rows, branches). "
            f"Received: labels {labels.shape} and probs {probs.shape}. "
            "Stack the branches on axis 1."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1. Received: {np.unique(labels)[:5].tolist()}.")
    if not ((probs >= 0.0) & (probs <= 1.0)).all():
        raise ValueError(
            "probs must be probabilities in [0, 1]; apply the sigmoid to logits. "
            f"Received values from {probs.min()} to {probs.max()}."
        )
    return labels[:, np.newaxis] == 1, probs
