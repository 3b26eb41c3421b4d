import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import MutualDistillation
from tests.models.cooperation.descent import assert_two_replicas_equal_one, gradient, slope


def batch(n: int = 3, rows: int = 9):
    rng = np.random.default_rng(7)
    logits = rng.normal(scale=2.0, size=(rows, n)).astype("float32")
    return logits, rng.integers(0, 2, size=(rows, 1)).astype("float32")


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def oracle(logits, labels, constants=None, scores=None):
    """The two sums term by term.

    `constants` are the logits behind stop-gradients, `scores` those of the exam: of the same
    value, but held while the rest is varied.
    """
    sigmoid = lambda z: 1 / (1 + np.exp(-np.asarray(z, "float64")))
    constants = logits if constants is None else constants
    scores = logits if scores is None else scores
    n, p, fixed = logits.shape[1], sigmoid(logits), sigmoid(constants)
    ensemble = sigmoid(constants.astype("float64").mean(axis=1))
    exam = np.array([np.mean(1 - np.abs(labels[:, 0] - sigmoid(scores[:, k]))) for k in range(n)])
    need = softmax(-exam)
    total = 0.0
    for k in range(n):
        total += need[k] * np.mean((p[:, k] - ensemble) ** 2)
        peers = [j for j in range(n) if j != k]
        heed = softmax(exam[peers] - exam[k])
        for j, weight in zip(peers, heed, strict=True):
            total += weight * np.mean((p[:, k] - fixed[:, j]) ** 2) / n
    return total


@pytest.mark.parametrize("detach_scores", [False, True])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_matches_oracle(n, detach_scores):
    logits, labels = batch(n)
    loss = MutualDistillation(detach_scores)(logits, labels=labels)
    np.testing.assert_allclose(loss, oracle(logits, labels), rtol=1e-5)


@pytest.mark.parametrize("detach_scores", [False, True])
def test_gradient_stops_at_teachers_and_peers_and_at_scores_when_detached(detach_scores):
    logits, labels = batch()
    received = gradient(lambda z: MutualDistillation(detach_scores)(z, labels=labels), logits)

    def with_the_rest_held(z):
        return oracle(z, labels, constants=logits, scores=logits if detach_scores else z)

    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=logits.shape)
        expected = slope(with_the_rest_held, logits, direction)
        np.testing.assert_allclose(np.sum(received * direction), expected, rtol=1e-4, atol=1e-7)


def test_scores_are_not_detached_unless_asked_for():
    logits, labels = batch()
    attached, detached = (
        gradient(lambda z, layer=layer: layer(z, labels=labels), logits)
        for layer in (MutualDistillation(), MutualDistillation(detach_scores=True))
    )
    assert np.abs(attached - detached).max() > 1e-4


def test_does_not_change_when_branches_trade_places():
    logits, labels = batch()
    np.testing.assert_allclose(
        MutualDistillation()(logits[:, [2, 0, 1]], labels=labels),
        MutualDistillation()(logits, labels=labels),
        rtol=1e-6,
    )


def test_of_branches_that_agree_loss_and_gradient_are_zero():
    logits, labels = batch()
    logits = np.repeat(logits[:, :1], 3, axis=1)
    loss = lambda z: MutualDistillation()(z, labels=labels)
    np.testing.assert_allclose(loss(logits), 0.0, atol=1e-12)
    np.testing.assert_allclose(gradient(loss, logits), np.zeros((9, 3)), atol=1e-7)


def test_extreme_logits_stay_finite():
    logits, labels = np.array([[1e4, -1e4], [-1e4, -1e4]]), np.array([[1.0], [0.0]])
    loss = lambda z: MutualDistillation()(z, labels=labels)
    # Of the two examples one is all right; p_T is 0.5 or 0; each branch has one peer.
    np.testing.assert_allclose(loss(logits), 0.25 / 2 + 1.0 / 2, rtol=1e-6)
    gradient(loss, logits)


def test_an_empty_batch_has_loss_zero():
    labels = np.zeros((0, 1), "float32")
    assert MutualDistillation()(tf.zeros((0, 3)), labels=labels) == 0.0
    gradient(lambda z: MutualDistillation()(z, labels=labels), np.zeros((0, 3)))


@pytest.mark.parametrize("detach_scores", [False, True])
def test_two_replicas_with_unequal_shares_equal_one(two_replicas, detach_scores):
    rng = np.random.default_rng(2)
    x, (_, labels) = rng.normal(size=(9, 4)).astype("float32"), batch()
    w = rng.normal(size=(4, 3)).astype("float32")
    loss_of = lambda w, x, y: MutualDistillation(detach_scores)(x @ w, labels=y)
    assert_two_replicas_equal_one(two_replicas, loss_of, w, x, labels)


def test_rejects_flat_labels_and_a_single_branch():
    with pytest.raises(ValueError, match=r"labels \(4,\).*use labels\[:, tf.newaxis\]"):
        MutualDistillation()(tf.zeros((4, 3)), labels=tf.zeros(4))
    with pytest.raises(ValueError, match=r"num_branches >= 2.*Concatenate the branch logits"):
        MutualDistillation()(tf.zeros((4, 1)), labels=tf.zeros((4, 1)))
