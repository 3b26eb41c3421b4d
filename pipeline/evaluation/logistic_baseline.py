"""A logistic regression on the inputs of a network: what a network has to be better than."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from features.bundle import Bundle
from features.inputs import InputSpec
from models.metrics import auc, logloss
from pipeline.batches.dataset import examples

MOST_ROWS = 200_000  # training rows that it is fitted on
_BATCH = 1024
_EPOCHS = 8
_RATE = 0.1  # of Adagrad
_L2 = 1e-5


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


def logistic_baseline(
    bundle: Bundle, splits: Sequence[str] = ("valid", "test")
) -> dict[str, Any] | None:
    """Fits a logistic regression on training rows, and scores other splits with it.

    Every token has a weight, and every number, which is normalised; tokens of a history are left
    out, which keeps it quick. Adagrad with at most eight passes, of which the one with the least
    logloss on validation rows is kept.

    Args:
        bundle: Data bundle; of its training rows, which are shuffled, the first 200,000 are read.
        splits: The splits that are scored, `valid` among them.

    Returns:
        `rows` it was fitted on, and by split `auc` and `logloss`; None where the training or the
        validation rows do not have both labels, or there is no input.
    """
    specs = [spec for spec in bundle.metadata.model_inputs() if spec.kind != "sequence"]
    train = _read(bundle, "train", specs, MOST_ROWS)
    valid = _read(bundle, "valid", specs, MOST_ROWS)
    if train is None or valid is None or min(map(_spread, (train.labels, valid.labels))) == 0.0:
        return None
    model = _Regression(train)
    best, kept = math.inf, model.weights()
    for epoch in range(_EPOCHS):
        model.fit_once(train, epoch)
        loss = logloss(valid.labels, model.probs(valid))
        if loss >= best:
            break
        best, kept = loss, model.weights()
    model.restore(kept)
    scores: dict[str, Any] = {"rows": len(train.labels)}
    for split in splits:
        rows = _read(bundle, split, specs, bundle.metadata.rows[split])
        if rows is not None and _spread(rows.labels) > 0.0:
            probs = model.probs(rows)
            scores[split] = {"auc": auc(rows.labels, probs), "logloss": logloss(rows.labels, probs)}
    return scores


class _Regression:
    """Weights of tokens and numbers with Adagrad's sums; starts at the click rate."""

    def __init__(self, train: _Rows) -> None:
        self._mean = train.numbers.mean(axis=0)
        self._deviation = np.maximum(train.numbers.std(axis=0), 1e-6)
        rate = train.labels.mean()
        size = int(train.ids.max(initial=0)) + 1
        self._parameters = [
            np.zeros(size),
            np.zeros(train.numbers.shape[1]),
            np.array([math.log(rate / (1.0 - rate))]),
        ]
        self._sums = [np.full_like(each, 1e-3) for each in self._parameters]

    def fit_once(self, rows: _Rows, seed: int) -> None:
        """One pass over the rows in an order of its own."""
        order = np.random.default_rng(seed).permutation(len(rows.labels))
        for begin in range(0, len(order), _BATCH):
            self._step(_Rows(*(each[order[begin : begin + _BATCH]] for each in rows)))

    def _step(self, rows: _Rows) -> None:
        error = self.probs(rows) - rows.labels  # (batch,)
        count = len(error)
        touched, places = np.unique(rows.ids, return_inverse=True)
        share = np.broadcast_to(error[:, None], rows.ids.shape).ravel()
        of_tokens = np.bincount(places.ravel(), share, len(touched)) / count
        gradients = (of_tokens, self._scaled(rows.numbers).T @ error / count, [error.mean()])
        slices: tuple[Any, ...] = (touched, slice(None), slice(None))
        for weights, sums, gradient, at in zip(
            self._parameters, self._sums, gradients, slices, strict=True
        ):
            gradient = np.asarray(gradient) + _L2 * weights[at]
            sums[at] += gradient**2
            weights[at] -= _RATE * gradient / np.sqrt(sums[at])
        self._parameters[0][0] = 0.0  # the place of what a row does not have

    def probs(self, rows: _Rows) -> np.ndarray:
        """Probabilities, float64 (rows,); a token that training did not see has no weight."""
        tokens, numbers, bias = self._parameters
        ids = np.where(rows.ids < len(tokens), rows.ids, 0)
        logits = tokens[ids].sum(axis=1) + self._scaled(rows.numbers) @ numbers + bias
        return np.exp(-np.logaddexp(0.0, -logits))

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        return np.clip((numbers - self._mean) / self._deviation, -10.0, 10.0)

    def weights(self) -> list[np.ndarray]:
        """A copy of all parameters."""
        return [each.copy() for each in self._parameters]

    def restore(self, weights: Sequence[np.ndarray]) -> None:
        """Takes the parameters of an earlier moment."""
        self._parameters = [each.copy() for each in weights]


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
