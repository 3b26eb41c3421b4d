"""How a number is scaled: the transforms are tried on the sample, and the best one is proposed."""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import minimize

from pipeline.data.analysis.moments import signed_log
from pipeline.inspection.column import Column
from pipeline.inspection.facts import Facts
from pipeline.inspection.kinds import FEW

_BUCKETS = 20
_LEAST_ROWS = 1_000
_LEAST_OF_A_LABEL = 50  # rows in each half
_DEVIATIONS = 3.0  # of the mean difference of two losses
_PENALTY = 1.0  # of the squared weights, over all rows that are fitted
_LONG_TAIL = 30.0  # z-scores beyond are cut off, as none is worth more


def with_best_transform(column: Column, facts: Facts, labels: np.ndarray, seed: int = 0) -> Column:
    """The proposal for a quantity, with another transform where that one predicts better.

    Each transform is what a linear layer would read of it: the z-score, that of the logarithm,
    20 buckets between quantiles, buckets of powers of two, and pieces between quantiles. A
    logistic regression over it is fitted to half of the rows, and its logloss is taken on the
    other half. The least one is proposed where it is below that of the proposal, and that of the
    click rate, by three standard errors of the rows' differences. Numbers of a long tail, which
    the proposal puts into buckets, are never z-scores.

    Args:
        column: What is proposed by values and name.
        facts: Facts of the column.
        labels: 0.0 or 1.0 of each row, float64 of shape (rows,).
        seed: Seed of the choice of the halves.
    """
    if column.left_out is not None or not column.kind.startswith("numeric"):
        return column
    if facts.numbers is None or facts.distinct <= FEW or facts.rows < _LEAST_ROWS:
        return column
    order = np.random.default_rng(seed).permutation(facts.rows)
    fitted, held_out = (
        _counts(facts.codes[rows], labels[rows], facts.distinct)
        for rows in (order[: len(order) // 2], order[len(order) // 2 :])
    )
    if min(fitted.sum(axis=1).min(), held_out.sum(axis=1).min()) < _LEAST_OF_A_LABEL:
        return column
    proposed = column.settings.get("transform", "zscore")
    losses = {
        name: _losses(design, fitted)
        for name, design in _designs(facts)
        if name != "zscore" or proposed == "zscore"
    }
    if proposed not in losses:
        return column
    means = {name: float((each * held_out).sum() / held_out.sum()) for name, each in losses.items()}
    best = min(means, key=lambda name: means[name])
    nothing = _losses(np.zeros((facts.distinct + 1, 0)), fitted)
    if not all(_is_better(losses[best], other, held_out) for other in (losses[proposed], nothing)):
        return column
    settings: dict[str, object] = {"kind": "numeric"}
    if best != "zscore":
        settings["transform"] = best
    if best in ("quantiles", "piecewise"):
        settings["num_buckets"] = _BUCKETS
    why = f"logloss {means[best]:.4f} as {best}, {means[proposed]:.4f} as {proposed}"
    return Column(column.column, settings, f"{column.reason}; {why}")


def _counts(codes: np.ndarray, labels: np.ndarray, distinct: int) -> np.ndarray:
    """Rows of label 0 and of label 1 with each value, the missing one last: (2, distinct + 1)."""
    places = np.where(codes < 0, distinct, codes)
    clicks = np.bincount(places, labels, minlength=distinct + 1)
    return np.stack([np.bincount(places, minlength=distinct + 1) - clicks, clicks])


def _designs(facts: Facts) -> Iterator[tuple[str, np.ndarray]]:
    """Transform -> what it makes of distinct values, a missing one last: (distinct + 1, k)."""
    numbers = np.asarray(facts.numbers, np.float64)
    yield "zscore", _scaled(numbers, facts.counts)
    yield "log", _scaled(signed_log(numbers), facts.counts)
    quantiles = [facts.quantile(share) for share in np.linspace(0, 1, _BUCKETS + 1)]
    edges = np.unique([numbers.min(), *quantiles, numbers.max()])
    yield "quantiles", _one_hot(np.searchsorted(edges[1:-1], numbers, side="right"))
    if facts.is_whole:
        exponents = np.floor(np.log2(np.maximum(numbers, 2.0))).astype(np.int64)
        yield "log2", _one_hot(np.where(numbers > 2.0, exponents, 1))
    passed = np.clip((numbers[:, np.newaxis] - edges[:-1]) / np.diff(edges), 0.0, 1.0)
    yield "piecewise", np.pad(passed, ((0, 1), (0, 1))) + _only_missing(len(passed), len(edges))


def _scaled(numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Z-scores over the rows, 0 for a missing number."""
    mean = np.average(numbers, weights=counts)
    deviation = np.sqrt(np.average((numbers - mean) ** 2, weights=counts)) or 1.0
    scores = np.clip((numbers - mean) / deviation, -_LONG_TAIL, _LONG_TAIL)
    return np.append(scores, 0.0)[:, np.newaxis]


def _one_hot(buckets: np.ndarray) -> np.ndarray:
    """A column for each bucket, and the last one for a missing number."""
    places = np.append(buckets - buckets.min(), buckets.max() - buckets.min() + 1)
    return np.eye(int(places.max()) + 1)[places]


def _only_missing(values: int, columns: int) -> np.ndarray:
    flags = np.zeros((values + 1, columns))
    flags[-1, -1] = 1.0
    return flags


def _losses(design: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Logloss of labels 0 and 1 at each value, after a fit to the counted rows: (2, values)."""
    rows = fitted.sum()
    rate = fitted[1].sum() / rows
    start = np.zeros(design.shape[1] + 1)
    start[-1] = np.log(rate / (1.0 - rate))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = design @ weights[:-1] + weights[-1]
        both = np.logaddexp(0.0, np.stack([logits, -logits]))
        errors = fitted.sum(axis=0) / (1.0 + np.exp(-logits)) - fitted[1]
        penalised = _PENALTY * weights[:-1]
        gradient = np.append(design.T @ errors + penalised, errors.sum())
        penalty = 0.5 * penalised @ weights[:-1]
        return ((both * fitted).sum() + penalty) / rows, gradient / rows

    weights = minimize(loss, start, jac=True, method="L-BFGS-B").x
    logits = design @ weights[:-1] + weights[-1]
    return np.logaddexp(0.0, np.stack([logits, -logits]))


def _is_better(losses: np.ndarray, others: np.ndarray, counts: np.ndarray) -> bool:
    """Whether losses are surely below others, on rows that are counted by label and value."""
    differences = others - losses
    mean = float((differences * counts).sum() / counts.sum())
    return mean > _DEVIATIONS * _standard_error(differences, counts)


def _standard_error(differences: np.ndarray, counts: np.ndarray) -> float:
    """Of the mean of differences, each of which that many rows have."""
    rows = counts.sum()
    mean = (differences * counts).sum() / rows
    variance = ((differences - mean) ** 2 * counts).sum() / rows
    return float(np.sqrt(variance / rows))
