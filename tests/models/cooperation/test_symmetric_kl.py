import itertools

import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import SymmetricKL
from tests.models.cooperation.descent import assert_two_replicas_equal_one, gradient, slope

LOGITS = np.random.default_rng(0).normal(scale=2.0, size=(7, 3)).astype("float32")


def oracle(logits):
    """Both divergences as printed in section 3.3, one example and pair at a time."""
    values = []
    for s in logits.astype("float64"):
        p = 1 / (1 + np.exp(-s))
        kl = lambda a, b: p[a] * np.log(p[a] / p[b]) + (1 - p[a]) * np.log((1 - p[a]) / (1 - p[b]))  # noqa: B023
        pairs = itertools.combinations(range(len(s)), 2)
        values += [0.5 * kl(a, b) + 0.5 * kl(b, a) for a, b in pairs]
    return np.mean(values)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_matches_oracle(n):
    logits = np.random.default_rng(1).normal(scale=2.0, size=(16, n)).astype("float32")
    np.testing.assert_allclose(SymmetricKL()(logits), oracle(logits), rtol=1e-5)


def test_gradient_reaches_both_branches_and_matches_the_oracle():
    received = gradient(SymmetricKL(), LOGITS)
    assert (np.abs(received) > 0.0).all()
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=LOGITS.shape)
        expected = slope(oracle, LOGITS, direction)
        np.testing.assert_allclose(np.sum(received * direction), expected, rtol=1e-4)


def test_does_not_change_when_branches_trade_places():
    np.testing.assert_allclose(SymmetricKL()(LOGITS[:, [2, 0, 1]]), SymmetricKL()(LOGITS))


def test_of_predictions_that_agree_loss_and_gradient_are_zero():
    logits = np.repeat(LOGITS[:, :1], 3, axis=1)
    assert SymmetricKL()(logits) == 0.0
    np.testing.assert_array_equal(gradient(SymmetricKL(), logits), np.zeros((7, 3)))


@pytest.mark.parametrize("logits", [[12.0, 10.0], [-12.0, -10.0]])
def test_keeps_its_digits_where_both_are_sure(logits):
    # sigmoid(12) - sigmoid(10) in float32 keeps three digits.
    np.testing.assert_allclose(
        SymmetricKL()(tf.constant([logits])), oracle(np.array([logits])), rtol=1e-5
    )


def test_extreme_logits_stay_finite():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4], [1e4, 0.0]])
    np.testing.assert_allclose(SymmetricKL()(logits), (1e4 + 1e4 + 0.0 + 2.5e3) / 4)
    expected = np.array([[0.5, -0.5], [-0.5, 0.5], [0.0, 0.0], [0.25, -0.25 - 2.5e3 / 2]]) / 4
    np.testing.assert_allclose(gradient(SymmetricKL(), logits), expected, rtol=1e-6)


def test_an_empty_batch_has_loss_zero():
    assert SymmetricKL()(tf.zeros((0, 3))) == 0.0
    gradient(SymmetricKL(), np.zeros((0, 3)))


def test_two_replicas_with_unequal_shares_equal_one(two_replicas):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(7, 4)).astype("float32")
    w = rng.normal(size=(4, 3)).astype("float32")
    assert_two_replicas_equal_one(two_replicas, lambda w, x: SymmetricKL()(x @ w), w, x)


@pytest.mark.parametrize("shape", [(4, 1), (4,), (4, 2, 1)])
def test_rejects_fewer_than_two_branches(shape):
    with pytest.raises(ValueError, match=r"num_branches >= 2.*Concatenate the branch logits"):
        SymmetricKL()(tf.zeros(shape))


def test_close_predictions_keep_their_digits():
    gap = 1e-4
    logits = np.array([[3.0, 3.0 + gap]], "float32")
    s = logits.astype("float64")
    p = 1.0 / (1.0 + np.exp(-s))
    expected = 0.5 * (p[0, 0] - p[0, 1]) * (s[0, 0] - s[0, 1])
    np.testing.assert_allclose(SymmetricKL()(tf.constant(logits)), expected, rtol=1e-3)
