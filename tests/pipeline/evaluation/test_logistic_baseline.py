"""The logistic regression beside a network: near the optimum, and blind to what it may not see."""

import numpy as np
import pytest

from pipeline.evaluation.logistic_baseline import (
    PENALTIES,
    _Regression,
    _Rows,
    logistic_baseline,
)


def rows_of(count, seed):
    """Two columns of tokens and one of numbers, with labels that a logistic model draws."""
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.integers(1, 6, count), rng.integers(6, 9, count)], axis=1)
    numbers = rng.normal(5.0, 3.0, (count, 1))
    weights = np.array([0.0, -1.0, 0.5, 1.0, 0.0, 2.0, -0.5, 0.0, 0.5])
    logits = weights[ids].sum(axis=1) + 0.3 * (numbers[:, 0] - 5.0) - 1.0
    labels = (rng.random(count) < 1.0 / (1.0 + np.exp(-logits))).astype(float)
    return _Rows(ids, numbers, labels)


def oracle(train, test, penalty, steps=15):
    """Newton's method on the one-hot matrix."""

    def matrix(rows):
        one_hot = np.eye(9)[rows.ids].sum(axis=1)
        one_hot[:, 0] = 0.0  # missing
        numbers = (rows.numbers - train.numbers.mean(0)) / train.numbers.std(0)
        return np.concatenate([one_hot, numbers, np.ones((len(rows.labels), 1))], axis=1)

    x, weights = matrix(train), np.zeros(11)
    penalties = np.diag([penalty] * 10 + [0.0])
    for _ in range(steps):
        probs = 1.0 / (1.0 + np.exp(-x @ weights))
        hessian = x.T @ (x * (probs * (1.0 - probs))[:, None]) + penalties
        weights += np.linalg.solve(hessian, x.T @ (train.labels - probs) - penalties @ weights)
    return 1.0 / (1.0 + np.exp(-matrix(test) @ weights))


@pytest.mark.parametrize("penalty", [20.0, 1.0])
def test_reaches_the_optimum(penalty):
    train, test = rows_of(3_000, 1), rows_of(500, 2)
    train.ids[::7, 0] = 0
    model = _Regression(train)
    model.fit(model.matrix(train), train.labels, penalty)
    probs = model.probs(model.matrix(test))
    np.testing.assert_allclose(probs, oracle(train, test, penalty), atol=2e-4)


def test_a_missing_value_and_a_token_that_training_did_not_see_change_nothing():
    train = rows_of(2_000, 3)
    train.ids[:500, 0] = 0
    model = _Regression(train)
    model.fit(model.matrix(train), train.labels, 1.0)
    assert model.weights[0] == 0.0
    numbers = np.full((2, 1), 5.0)
    rows = _Rows(np.array([[0, 6], [99, 6]]), numbers, np.zeros(2))
    missing, unseen = model.probs(model.matrix(rows))
    assert missing == unseen


def test_keeps_the_penalty_that_suits_validation_rows(make_bundle, monkeypatch):
    bundle, _ = make_bundle(rows={"train": 400, "valid": 200, "test": 1})
    losses = {}
    for penalty in PENALTIES:
        monkeypatch.setattr("pipeline.evaluation.logistic_baseline.PENALTIES", (penalty,))
        losses[penalty] = logistic_baseline(bundle)["valid"]["logloss"]
    monkeypatch.undo()
    assert len(set(losses.values())) == 3
    expected = pytest.approx(min(losses.values()), abs=1e-4)
    assert logistic_baseline(bundle)["valid"]["logloss"] == expected


def test_scores_the_splits_of_a_bundle_and_needs_both_labels(make_bundle, monkeypatch):
    bundle, arrays = make_bundle(rows={"train": 900, "valid": 300, "test": 200}, block_rows=128)
    scores = logistic_baseline(bundle)
    assert scores["rows"] == 900
    assert set(scores) == {"rows", "valid", "test"}
    rate = arrays["test"]["clicked"].mean()
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert scores["test"]["logloss"] == pytest.approx(entropy, rel=0.2)
    monkeypatch.setattr("pipeline.evaluation.logistic_baseline.MOST_ROWS", 64)
    assert logistic_baseline(bundle)["rows"] == 64
    one_class, _ = make_bundle(rows={"train": 40, "valid": 1, "test": 0})
    assert logistic_baseline(one_class) is None
