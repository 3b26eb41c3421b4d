"""A logistic regression on the inputs of a network: what a network has to be better than."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from features.bundle import Bundle
from features.inputs import InputSpec
from models.metrics import logloss
from models.network.logit_map import FUSED
from pipeline.batches.dataset import examples
from pipeline.evaluation.scores import Scores, sigmoid

MOST_ROWS = 200_000  # training rows that it is fitted on
PENALTIES = (20.0, 5.0, 1.0)  # of half the squared weights, beside the sum of the rows' losses
_ITERATIONS = 100


class _Rows(NamedTuple):
    """Rows as the regression reads them.

    Args:
        ids: int64 (rows, n): rows of the table of weights; 0 has none.
        numbers: float64 (rows, m).
        labels: float64 (rows,).
    """

    ids: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray


class LogisticBaseline:
    """A logistic regression that was fitted to training rows; get one from `fit_logistic`.

    Args:
        rows: Number of training rows that it was fitted to.
    """

    def __init__(
        self, model: "_Regression", specs: Sequence[InputSpec], rows: int, negatives_kept: float
    ) -> None:
        self._model, self._specs, self.rows = model, specs, rows
        self._moved_by = math.log(negatives_kept)  # as `correction_for_negatives`

    def probs(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Probabilities of the whole log, float64 (rows,), from arrays of inputs by name."""
        count = len(next(iter(inputs.values())))
        rows = _Rows(*_matrices(inputs, self._specs, count), np.zeros(count))
        return sigmoid(self._model.logits(self._model.matrix(rows)) + self._moved_by)


def fit_logistic(bundle: Bundle, most: int = MOST_ROWS) -> LogisticBaseline | None:
    """Fits a logistic regression to training rows of a bundle.

    Every token has a weight, and every number, which is normalised; tokens of a history are left
    out, which keeps it quick. Each of three L2 penalties is brought to its optimum by L-BFGS; the
    one with the least logloss on validation rows is kept.

    Args:
        bundle: Data bundle; its training rows are shuffled.
        most: Number of them that are read, the first ones.

    Returns:
        The regression; None where the training or the validation rows do not have both labels.
    """
    specs = [spec for spec in bundle.metadata.model_inputs() if spec.kind != "sequence"]
    train = _read(bundle, "train", specs, most)
    valid = _read(bundle, "valid", specs, most)
    if train is None or valid is None or min(map(_spread, (train.labels, valid.labels))) == 0.0:
        return None
    model, best = _Regression(train), math.inf
    kept = model.weights
    fitted_on, chosen_on = model.matrix(train), model.matrix(valid)
    for penalty in PENALTIES:
        model.fit(fitted_on, train.labels, penalty)
        loss = logloss(valid.labels, model.probs(chosen_on))
        if loss < best:
            best, kept = loss, model.weights
    model.weights = kept
    return LogisticBaseline(model, specs, len(train.labels), bundle.metadata.negatives_kept)


def logistic_baseline(
    bundle: Bundle, splits: Sequence[str] = ("valid", "test")
) -> dict[str, Any] | None:
    """Scores splits of a bundle with the logistic regression of `fit_logistic`.

    Args:
        bundle: Data bundle; of its training rows the first 200,000 are read.
        splits: The splits that are scored.

    Returns:
        `rows` it was fitted on, and by split what `Scores.metrics` has of a prediction: its `auc`,
        `logloss`, `normalized_entropy` and `calibration`, those of the whole log where that had
        more negatives. None where there is no regression.
    """
    model = fit_logistic(bundle, MOST_ROWS)
    if model is None:
        return None
    scores: dict[str, Any] = {"rows": model.rows}
    share = bundle.metadata.negatives_kept
    for split in splits:
        parts = list(_scored(model, bundle, split))
        if not parts:
            continue
        labels, probs = (np.concatenate(each) for each in zip(*parts, strict=True))
        if _spread(labels) > 0.0:
            scores[split] = _metrics(labels, probs, share)
    return scores


class _Regression:
    """Weights of tokens, of numbers, and a bias; starts at the click rate."""

    def __init__(self, train: _Rows) -> None:
        self._tokens = int(train.ids.max(initial=0)) + 1
        self._mean = train.numbers.mean(axis=0)
        self._deviation = np.maximum(train.numbers.std(axis=0), 1e-6)
        self.weights = np.zeros(self._tokens + train.numbers.shape[1] + 1)
        rate = train.labels.mean()
        self.weights[-1] = math.log(rate / (1.0 - rate))

    def fit(self, matrix: csr_matrix, labels: np.ndarray, penalty: float) -> None:
        """Goes on from the present weights to the least penalised loss; the bias has no penalty."""
        penalties = np.full_like(self.weights, penalty / len(labels))
        penalties[-1] = 0.0

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            logits = matrix @ weights
            losses = np.logaddexp(0.0, logits) - labels * logits
            errors = sigmoid(logits) - labels
            penalised = penalties * weights
            gradient = matrix.T @ errors / len(errors) + penalised
            return losses.mean() + 0.5 * penalised @ weights, gradient

        options = {"maxiter": _ITERATIONS}
        self.weights = minimize(loss, self.weights, jac=True, method="L-BFGS-B", options=options).x

    def probs(self, matrix: csr_matrix) -> np.ndarray:
        """Probabilities, float64 (rows,)."""
        return sigmoid(self.logits(matrix))

    def logits(self, matrix: csr_matrix) -> np.ndarray:
        """Logits, float64 (rows,)."""
        return matrix @ self.weights

    def matrix(self, rows: _Rows) -> csr_matrix:
        """Rows times weights; a token that training did not see has no weight."""
        known = (rows.ids > 0) & (rows.ids < self._tokens)
        begins = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        tokens = csr_matrix(
            (np.ones(begins[-1]), rows.ids[known], begins), (len(known), self._tokens)
        )
        numbers = np.clip((rows.numbers - self._mean) / self._deviation, -10.0, 10.0)
        return hstack([tokens, numbers, np.ones((len(known), 1))], format="csr")


def _scored(
    model: LogisticBaseline, bundle: Bundle, split: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Labels and probabilities of a split, block by block."""
    for inputs, labels, *_ in examples(bundle, split, 8192).as_numpy_iterator():
        yield labels.astype(np.float64), model.probs(inputs)


def _metrics(labels: np.ndarray, probs: np.ndarray, kept: float) -> dict[str, float | None]:
    scores = Scores(labels, {FUSED: probs}, groups=None, negatives_kept=kept)
    return scores.metrics("impressions")[FUSED]


def _read(bundle: Bundle, split: str, specs: Sequence[InputSpec], most: int) -> _Rows | None:
    """The first rows of a split; None where it has none."""
    parts = list(_blocks(bundle, split, specs, most))
    if not parts:
        return None
    return _Rows(*(np.concatenate(each)[:most] for each in zip(*parts, strict=True)))


def _blocks(bundle: Bundle, split: str, specs: Sequence[InputSpec], most: int) -> Iterator[_Rows]:
    size = min(8192, max(1, most))
    batches = examples(bundle, split, size).take(math.ceil(most / size))
    for inputs, labels, *_ in batches.as_numpy_iterator():
        yield _Rows(*_matrices(inputs, specs, len(labels)), labels.astype(np.float64))


def _matrices(
    inputs: Mapping[str, np.ndarray], specs: Sequence[InputSpec], rows: int
) -> tuple[np.ndarray, np.ndarray]:
    ids, numbers, offset = [], [], 1
    for spec in specs:
        values = inputs[spec.name].reshape(rows, -1)
        if spec.vocabulary is None:
            numbers.append(values.astype(np.float64))
            continue
        places = values.astype(np.int64) + offset
        if spec.kind == "multivalued":  # 0 is padding there, and elsewhere a missing value
            places = np.where(values == 0, 0, places)
        ids.append(places)
        offset += spec.vocabulary_size
    empty = np.zeros((rows, 0))
    return (
        np.concatenate([empty.astype(np.int64), *ids], axis=1),
        np.concatenate([empty, *numbers], axis=1),
    )


def _spread(labels: np.ndarray) -> float:
    return float(labels.max(initial=0.0) - labels.min(initial=1.0)) if labels.size else 0.0
