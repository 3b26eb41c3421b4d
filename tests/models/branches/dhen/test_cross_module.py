import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.branches.dhen.cross_module import CrossModule
from tests.models.branches.dhen import interaction_oracle as oracle


def built(x, **settings) -> CrossModule:
    layer = CrossModule(**{"num_tokens": 4, "rank": 3, **settings})
    layer(x)
    return oracle.randomize(layer)


def random_tokens():
    return np.random.default_rng(1).normal(size=(6, 5, 2)).astype("float32")


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("keep_skip", [True, False])
@pytest.mark.parametrize("units", [(), (6,)])
def test_matches_oracle(num_layers, keep_skip, units):
    x = random_tokens()
    layer = built(x, num_layers=num_layers, keep_skip=keep_skip, units=units)
    expected = [oracle.cross_module(layer, each, keep_skip) for each in x.astype("float64")]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_without_crosses_only_the_skip_is_left():
    x = random_tokens()
    for keep_skip in (True, False):
        layer = built(x, num_tokens=5, num_layers=2, keep_skip=keep_skip)
        for variable in (layer.kernel_v, layer.bias):
            variable.assign(tf.zeros_like(variable))
        layer.out.linear.set_weights([np.eye(10), np.zeros(10)])
        np.testing.assert_allclose(layer(x), x if keep_skip else np.zeros_like(x), atol=1e-6)


def test_crosses_as_the_recommenders_library_does():
    x = random_tokens()
    layer = built(x, num_tokens=5, num_layers=1, keep_skip=True)
    layer.out.linear.set_weights([np.eye(10), np.zeros(10)])
    theirs = tfrs.layers.feature_interaction.Cross(projection_dim=3)
    flat = tf.reshape(x, (6, 10))
    theirs(flat)
    kernels = [layer.kernel_u[0].numpy(), layer.kernel_v[0].numpy(), layer.bias[0].numpy()]
    theirs.set_weights(kernels)
    np.testing.assert_allclose(tf.reshape(layer(x), (6, 10)), theirs(flat), atol=1e-5)


def test_starts_glorot_normal_with_kernels_of_their_own():
    layer = CrossModule(4, rank=10, num_layers=2)
    layer.build((None, 20, 10))
    u, v = layer.kernel_u.numpy(), layer.kernel_v.numpy()
    assert u.std() == pytest.approx(np.sqrt(2 / 210), rel=0.1)
    assert v.std() == pytest.approx(np.sqrt(2 / 210), rel=0.1)
    assert not np.allclose(u.ravel(), v.ravel())
    assert not layer.bias.numpy().any()


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="rank=0"):
        CrossModule(4, rank=0)
