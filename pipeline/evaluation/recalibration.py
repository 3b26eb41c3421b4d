"""Recalibration: maps of logits that are fitted to validation rows once a network is trained."""

import math
from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq, isotonic_regression, minimize

from models.network.logit_map import LogitMap
from pipeline.evaluation.scores import sigmoid

STEEPEST = 4.0  # slope of a map: rounding of the logits is magnified by no more
_FLATTEST = 0.001
_LEAST_ROWS = 50  # of a block
_LEAST_SHARE = 0.01


def fit_maps(
    method: str, labels: np.ndarray, logits: Mapping[str, np.ndarray], weights: np.ndarray
) -> dict[str, LogitMap]:
    """A map for each prediction, fitted for itself.

    Args:
        method: `platt` or `isotonic`.
        labels: 0s and 1s, (rows,).
        logits: Prediction -> its logits, (rows,).
        weights: How often each row counts, (rows,).

    Returns:
        Prediction -> map; empty where the rows are of one class.
    """
    labels = np.ravel(labels).astype(np.float64)
    counted = labels[weights > 0.0]
    if not counted.size or counted.min() == counted.max():
        return {}
    fit = {"platt": fit_platt, "isotonic": fit_isotonic}[method]
    return {
        name: fit(labels, np.ravel(values).astype(np.float64), weights.astype(np.float64))
        for name, values in logits.items()
    }


def fit_platt(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> LogitMap:
    """a s + b with the least weighted logloss; a in [0.001, 4], so that the order stays.

    Reference: Platt, Probabilistic Outputs for Support Vector Machines, 1999, without its
    correction of the labels, which a handful of rows would need.
    """
    centre = float(np.average(logits, weights=weights))
    share = weights / weights.sum()

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        moved = parameters[0] * (logits - centre) + parameters[1]
        losses = np.logaddexp(0.0, moved) - labels * moved
        errors = share * (sigmoid(moved) - labels)
        return share @ losses, np.array([errors @ (logits - centre), errors.sum()])

    rate = share @ labels
    begin = np.array([1.0, math.log(rate / (1.0 - rate))])
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 500}
    bounds = [(_FLATTEST, STEEPEST), (None, None)]
    a, b = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return LogitMap(x=(centre,), y=(float(b),), outer=float(a))


def fit_isotonic(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> LogitMap:
    """Isotonic regression of labels on logits, as a map that rises everywhere.

    Each block of the regression becomes a knot at its mean logit, whose value is the logit of its
    click rate. Neighbours are joined until every block has rows enough and both labels, and until
    no slope is above 4; beyond the outer knots the slope is that of `fit_platt`; the whole is moved
    so that probabilities add up to the clicks. Steps, as the regression itself has, would give rows
    the same probability that the network tells apart.

    Reference: Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates, KDD 2002.
    """
    least = max(_LEAST_ROWS, math.ceil(_LEAST_SHARE * len(labels)))
    blocks = _rising(_enough(pool_adjacent_violators(labels, logits, weights), least))
    x, y = blocks[:, 2] / blocks[:, 0], _logit(blocks[:, 1] / blocks[:, 0])
    outer = fit_platt(labels, logits, weights).outer
    shape = LogitMap(x=tuple(x), y=tuple(y), outer=outer)
    moved = np.asarray(shape(logits), np.float64)
    clicks = float(weights @ labels)

    def excess(by: float) -> float:
        return float(weights @ sigmoid(moved + by)) - clicks

    far = 50.0 + np.abs(moved).max()
    by = brentq(excess, -far, far)
    return LogitMap(x=shape.x, y=tuple(value + by for value in shape.y), outer=outer)


def pool_adjacent_violators(
    labels: np.ndarray, logits: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The blocks of the isotonic regression, by rising logit.

    Returns:
        float64 (blocks, 5): weight, weighted clicks, weighted sum of logits, rows, clicks.
    """
    kept = weights > 0.0
    labels, logits, weights = labels[kept], logits[kept], weights[kept]
    _, place = np.unique(logits, return_inverse=True)  # rows of one logit have one value
    columns = (weights, weights * labels, weights * logits, np.ones_like(labels), labels)
    pooled = np.stack([np.bincount(place, column) for column in columns], axis=1)
    found = isotonic_regression(pooled[:, 1] / pooled[:, 0], weights=pooled[:, 0])
    return np.add.reduceat(pooled, found.blocks[:-1], axis=0)


def _enough(blocks: np.ndarray, least: int) -> np.ndarray:
    """Joins neighbours until each block has so many rows, of both labels."""
    joined: list[np.ndarray] = []
    current = np.zeros(blocks.shape[1])
    for block in blocks:
        current = current + block
        if current[3] >= least and 0.0 < current[4] < current[3]:
            joined.append(current)
            current = np.zeros_like(current)
    if current[3]:
        joined.append(current + joined.pop() if joined else current)
    return np.array(joined)


def _rising(blocks: np.ndarray) -> np.ndarray:
    """Joins neighbours between which the map would be steeper than `STEEPEST`."""
    while len(blocks) > 1:
        x, y = blocks[:, 2] / blocks[:, 0], _logit(blocks[:, 1] / blocks[:, 0])
        slopes = np.diff(y) / np.diff(x)
        worst = int(np.argmax(slopes))
        if slopes[worst] <= STEEPEST:
            break
        pair = blocks[worst : worst + 2].sum(axis=0, keepdims=True)
        blocks = np.concatenate([blocks[:worst], pair, blocks[worst + 2 :]])
    return blocks


def _logit(rates: np.ndarray) -> np.ndarray:
    return np.log(rates) - np.log1p(-rates)
