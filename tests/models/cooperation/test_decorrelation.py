import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import CrossExpertDecorrelation
from tests.models.cooperation.descent import assert_two_replicas_equal_one, gradient, slope
from tests.replicas import per_replica

HADAMARD = functools.reduce(np.kron, [np.array([[1, 1], [1, -1]])] * 3)  # (8, 8)
VARIANTS = list(itertools.product(["correlation", "covariance"], [2, 1]))
X = np.random.default_rng(0).normal(1.0, 2.0, size=(9, 3, 4)).astype("float32")


def oracle(x, kind="correlation", norm=2):
    """One entry of R at a time, by NumPy's own unbiased moments."""
    x, total = x.astype("float64"), 0.0
    width = x.shape[2]
    for a, b in itertools.combinations(range(x.shape[1]), 2):
        r = np.zeros((width, width))
        for k, m in itertools.product(range(width), repeat=2):
            moments = np.cov(x[:, a, k], x[:, b, m])
            std = np.sqrt(moments[0, 0] * moments[1, 1]) if kind == "correlation" else 1.0
            r[k, m] = moments[0, 1] / std
        total += (np.sqrt((r**2).sum()) if norm == 2 else np.abs(r).sum()) / width**2
    return total


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
@pytest.mark.parametrize(("rows", "n"), [(2, 2), (9, 3), (50, 4)])
def test_matches_oracle(kind, norm, rows, n):
    x = np.random.default_rng(1).normal(1.0, 2.0, size=(rows, n, 4)).astype("float32")
    loss = CrossExpertDecorrelation(kind, norm)(x)
    np.testing.assert_allclose(loss, oracle(x, kind, norm), rtol=2e-5)


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
def test_gradient_reaches_all_experts_and_matches_the_oracle(kind, norm):
    received = gradient(CrossExpertDecorrelation(kind, norm), X)
    assert (np.abs(received).max(axis=(0, 2)) > 0.0).all()
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=X.shape)
        expected = slope(lambda x: oracle(x, kind, norm), X, direction)
        np.testing.assert_allclose(np.sum(received * direction), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("norm", "expected"), [(2, np.sqrt(7) / 49), (1, 1 / 7)])
def test_of_an_expert_and_its_double_r_is_the_identity(norm, expected):
    expert = HADAMARD[:, 1:]  # columns of mean 0, orthogonal to each other
    x = np.stack([expert, expert], axis=1).astype("float32")
    loss = CrossExpertDecorrelation(norm=norm)(x)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    covariance = CrossExpertDecorrelation("covariance", norm)(3.0 * x)
    np.testing.assert_allclose(covariance, 9 * 8 / 7 * expected, rtol=1e-6)


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
def test_of_orthogonal_experts_loss_and_gradient_are_zero(kind, norm):
    columns = HADAMARD[:, 1:7]
    x = np.stack([columns[:, :3], columns[:, 3:]], axis=1).astype("float32")
    loss = CrossExpertDecorrelation(kind, norm)
    assert loss(x) == 0.0
    np.testing.assert_array_equal(gradient(loss, x), np.zeros(x.shape))


def test_correlation_ignores_the_scale_and_offset_of_columns():
    scale = np.array([1e-9, 1.0, 1e6, -3.0], "float32")
    offset = np.array([0.0, 100.0, -1e6, 0.1], "float32")
    received = CrossExpertDecorrelation()(scale * X + offset)
    np.testing.assert_allclose(received, CrossExpertDecorrelation()(X), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-4, 1e-9, 1e-16])
def test_gradient_of_tiny_representations_is_that_of_large_ones_upscaled(scale):
    received = gradient(CrossExpertDecorrelation(), scale * X) * scale
    np.testing.assert_allclose(received, gradient(CrossExpertDecorrelation(), X), atol=1e-6)


@pytest.mark.parametrize("norm", [2, 1])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e5, 1e-30])
def test_a_constant_column_contributes_nothing_and_gets_no_gradient(norm, value):
    x = np.random.default_rng(2).normal(1.0, 2.0, size=(1001, 2, 4)).astype("float32")
    x[:, 0, 1] = value
    alive = np.corrcoef(x[:, 0, [0, 2, 3]], x[:, 1], rowvar=False)[:3, 3:]  # (3, 4)
    total = np.sqrt((alive**2).sum()) if norm == 2 else np.abs(alive).sum()
    loss = CrossExpertDecorrelation(norm=norm)
    np.testing.assert_allclose(loss(x), total / 16, rtol=1e-4)
    received = gradient(loss, x)
    np.testing.assert_array_equal(received[:, 0, 1], np.zeros(1001))
    assert np.abs(received[:, 0, 0]).max() > 0.0


@pytest.mark.parametrize("value", [0.1, -1e5])
def test_a_constant_column_contributes_nothing_on_two_replicas(two_replicas, value):
    x = X.copy()
    x[:, 0] = value
    shares = per_replica(two_replicas, CrossExpertDecorrelation(), x[:, :2], at=2)
    assert sum(shares) == 0.0


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_examples_have_loss_and_gradient_zero(kind, norm, rows):
    loss = CrossExpertDecorrelation(kind, norm)
    assert loss(X[:rows]) == 0.0
    np.testing.assert_array_equal(gradient(loss, X[:rows]), np.zeros((rows, 3, 4)))


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
def test_extreme_representations_stay_finite(kind, norm):
    x = 1e4 * X
    loss = CrossExpertDecorrelation(kind, norm)
    np.testing.assert_allclose(loss(x), oracle(x, kind, norm), rtol=1e-4)
    gradient(loss, x)


def test_the_order_of_examples_and_experts_does_not_matter():
    for permuted in (X[::-1], X[:, [1, 2, 0]]):
        np.testing.assert_allclose(
            CrossExpertDecorrelation()(permuted), CrossExpertDecorrelation()(X), rtol=1e-5
        )


@pytest.mark.parametrize(
    ("at", "takes"),
    [("output", "representations"), ("input", "inputs"), ("intermediate", "intermediates")],
)
def test_takes_what_the_place_says(at, takes):
    assert CrossExpertDecorrelation(at=at).takes == (takes,)


def test_layers_of_different_widths_are_summed():
    layers = (X, X[:, :, :2] ** 2, X[:, :2, 1:])
    loss = CrossExpertDecorrelation(at="intermediate")(layers)
    np.testing.assert_allclose(loss, sum(oracle(each) for each in layers), rtol=1e-5)


@pytest.mark.parametrize(("kind", "norm"), VARIANTS)
def test_two_replicas_with_unequal_shares_equal_one(two_replicas, kind, norm):
    def loss_of(w, x):
        z = tf.tanh(x @ w)  # (B, 6)
        return CrossExpertDecorrelation(kind, norm)(tf.reshape(z, (-1, 3, 2)))

    rng = np.random.default_rng(4)
    x = rng.normal(size=(9, 4)).astype("float32")
    w = rng.normal(scale=0.5, size=(4, 6)).astype("float32")
    assert_two_replicas_equal_one(two_replicas, loss_of, w, x)


def test_two_replicas_equal_one_at_intermediate_layers(two_replicas):
    def loss_of(w, x):
        first = tf.tanh(x @ w)  # (B, 8)
        layers = (tf.reshape(first, (-1, 2, 4)), tf.reshape(tf.tanh(first[:, :6]), (-1, 2, 3)))
        return CrossExpertDecorrelation(at="intermediate")(layers)

    rng = np.random.default_rng(5)
    x = rng.normal(size=(9, 4)).astype("float32")
    w = rng.normal(scale=0.5, size=(4, 8)).astype("float32")
    assert_two_replicas_equal_one(two_replicas, loss_of, w, x)


def test_two_replicas_with_one_example_each_have_the_statistics_of_two(two_replicas):
    shares = per_replica(two_replicas, CrossExpertDecorrelation("covariance"), X[:2], at=1)
    np.testing.assert_allclose(sum(shares), oracle(X[:2], "covariance"), rtol=1e-5)


@pytest.mark.parametrize("change", [{"kind": "rank"}, {"norm": 3}, {"at": "logits"}])
def test_rejects_unknown_settings(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be one of.*Received"):
        CrossExpertDecorrelation(**change)


@pytest.mark.parametrize("shape", [(4, 1, 3), (4, 3)])
def test_rejects_fewer_than_two_experts(shape):
    with pytest.raises(ValueError, match=r"num_branches >= 2.*Stack the branches"):
        CrossExpertDecorrelation()(tf.zeros(shape))


@pytest.mark.parametrize(
    ("at", "received"), [("output", (X, X)), ("intermediate", X), ("intermediate", ())]
)
def test_rejects_tensors_of_another_place(at, received):
    with pytest.raises(ValueError, match=r"for at='intermediate' a tuple.*Set `at`"):
        CrossExpertDecorrelation(at=at)(received)
