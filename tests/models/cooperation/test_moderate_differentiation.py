import itertools

import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import ModerateDifferentiation
from tests.replicas import per_replica


def oracle(z, transforms, squared=False):
    """Listing 1: one ordered pair and one example at a time."""
    z, n = z.astype("float64"), z.shape[1]
    w = {}
    for pair, (i, j) in zip(transforms, itertools.combinations(range(n), 2), strict=True):
        w[i, j], w[j, i] = pair.astype("float64"), pair.astype("float64").T
    power = 2 if squared else 1
    return np.mean(
        [
            np.linalg.norm(x[i] @ w[i, j] - x[j]) ** power
            + np.linalg.norm(x[i] @ w[i, j] @ w[j, i] - x[i]) ** power
            for x in z
            for i, j in itertools.permutations(range(n), 2)
        ]
    )


def built(n: int = 3, squared: bool = False, orthogonal: bool = False):
    rng = np.random.default_rng(0)
    layer = ModerateDifferentiation(squared)
    layer.build((None, n, 4))
    if not orthogonal:
        layer.set_weights([rng.normal(size=layer.transforms.shape)])
    return layer, rng.normal(size=(8, n, 4)).astype("float32")


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_matches_oracle(n, squared):
    layer, z = built(n, squared)
    expected = oracle(z, layer.transforms.numpy(), squared)
    np.testing.assert_allclose(layer(z), expected, rtol=1e-5)


def test_gradients_match_finite_differences_of_the_oracle():
    layer, z = built()
    transforms = layer.transforms.numpy()
    with tf.GradientTape() as tape:
        x = tf.constant(z)
        tape.watch(x)
        loss = layer(x)
    for value, gradient, function in zip(
        (z, transforms),
        tape.gradient(loss, (x, layer.transforms)),
        (lambda v: oracle(v, transforms), lambda v: oracle(z, v)),
        strict=True,
    ):
        direction = np.random.default_rng(1).normal(size=value.shape)
        step = 1e-5
        slope = (function(value + step * direction) - function(value - step * direction)) / step / 2
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-3)


def test_starts_orthogonal_one_matrix_per_unordered_pair():
    layer, z = built(orthogonal=True)
    w = layer.transforms.numpy()
    assert w.shape == (3, 4, 4)
    for each in w:
        np.testing.assert_allclose(each @ each.T, np.eye(4), atol=1e-5)
    assert not np.allclose(w[0], w[1])
    np.testing.assert_allclose(layer(z), oracle(z, w), rtol=1e-5)


def test_gradient_is_zero_and_finite_at_zero_vectors():
    layer, z = built(orthogonal=True)
    z[:4] = 0.0
    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = layer(x)
    for_z, for_w = tape.gradient(loss, (x, layer.transforms))
    np.testing.assert_array_equal(for_z[:4], np.zeros((4, 3, 4)))
    assert np.isfinite(for_z).all()
    assert np.isfinite(for_w).all()


def test_shares_of_two_replicas_add_up(two_replicas):
    z = np.random.default_rng(0).normal(size=(7, 3, 4)).astype("float32")
    with two_replicas.scope():
        layer = ModerateDifferentiation(squared=False)
        layer.build((None, 3, 4))
    shares = per_replica(two_replicas, layer, z, at=2)
    np.testing.assert_allclose(sum(shares), oracle(z, layer.transforms.numpy()), rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 4)])
def test_rejects_fewer_than_two_branches(shape):
    with pytest.raises(ValueError, match=r"num_branches >= 2.*Stack the branches"):
        ModerateDifferentiation()(tf.zeros(shape))


def test_squares_the_norms_as_eq_14_does_unless_told_otherwise():
    layer, z = built(squared=True)
    default = ModerateDifferentiation()
    default.build(z.shape)
    default.set_weights(layer.get_weights())
    np.testing.assert_array_equal(default(z), layer(z))


def test_shows_how_far_each_transform_is_from_identity_and_from_its_start(two_replicas):
    layer, _ = built(orthogonal=True)
    start = layer.transforms.numpy().astype("float64")
    shown = layer.diagnostics({})
    np.testing.assert_array_equal(shown["from_start"], np.zeros(3))
    moved = start + np.random.default_rng(2).normal(size=start.shape)
    layer.set_weights([moved])
    shown = layer.diagnostics({})
    for name, other in (("from_identity", np.eye(4)), ("from_start", start)):
        expected = [
            np.sqrt(np.sum((w - o) ** 2)) for w, o in zip(moved, start * 0 + other, strict=True)
        ]
        np.testing.assert_allclose(shown[name], expected, rtol=1e-5)
    z = np.zeros((3, 3, 4), "float32")
    with two_replicas.scope():
        mirrored = ModerateDifferentiation()
        mirrored.build((None, 3, 4))
    shares = per_replica(two_replicas, lambda x: mirrored.diagnostics({}), z, at=2)
    apart = [np.linalg.norm(w - np.eye(4)) for w in mirrored.transforms.numpy()]
    np.testing.assert_allclose(sum(s["from_identity"] for s in shares), apart, rtol=1e-5)
