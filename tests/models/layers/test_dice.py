import numpy as np
import pytest
import tensorflow as tf

from models.layers.dice import Dice
from models.layers.mlp import MLP
from tests.models.layers import sequence_oracles as oracles
from tests.replicas import per_replica


def events(batch: int = 6, length: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(1.0, 2.0, size=(batch, length, 3)).astype("float32")
    return x, np.arange(length) < rng.integers(0, length + 1, (batch, 1))


def oracle(x, alpha, mean, variance):
    p = oracles.sigmoid((x - mean) / np.sqrt(variance + 1e-9))
    return p * x + (1 - p) * alpha * x


def test_matches_oracle_with_the_moving_statistics():
    x, _ = events()
    layer = oracles.randomized(Dice(), {"x": x})
    np.testing.assert_allclose(layer(x), oracle(x, *oracles.weights_of(layer)), 1e-5, 1e-6)


def test_training_takes_the_statistics_of_the_rows_that_count_and_moves_the_averages():
    x, mask = events()
    layer = oracles.randomized(Dice(), {"x": x})
    alpha, old_mean, old_variance = oracles.weights_of(layer)
    received = layer(x, training=True, mask=mask)
    rows = x[mask].astype("float64")
    mean, variance = rows.mean(axis=0), rows.var(axis=0)
    np.testing.assert_allclose(received, oracle(x, alpha, mean, variance), 1e-4, 1e-5)
    np.testing.assert_allclose(layer.norm.moving_mean, 0.99 * old_mean + 0.01 * mean, 1e-5)
    np.testing.assert_allclose(
        layer.norm.moving_variance, 0.99 * old_variance + 0.01 * variance, 1e-5
    )


def test_starts_as_a_smooth_relu():
    layer = Dice()
    layer(tf.zeros((1, 2)))
    np.testing.assert_allclose(layer(tf.constant([[-50.0, 50.0]])), [[0.0, 50.0]], atol=1e-6)


@pytest.mark.parametrize("rows", [0, 4])
def test_where_no_row_counts_values_and_gradients_are_finite(rows):
    x, layer = tf.ones((rows, 5, 3)), Dice()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True, mask=tf.fill((rows, 5), False))
    gradients = tape.gradient(y, [x, *layer.trainable_variables])
    for each in [y, *gradients, *layer.weights]:
        assert np.isfinite(each.numpy()).all()


def test_batch_statistics_are_those_of_the_global_batch(two_replicas):
    x, mask = events(7)
    with two_replicas.scope():
        layer = Dice()
        layer(x)
    one = Dice()
    one(x)
    shares = per_replica(
        two_replicas, lambda x, mask: layer(x, training=True, mask=mask), x, mask, at=2
    )
    expected = one(x, training=True, mask=mask)
    np.testing.assert_allclose(np.concatenate(shares), expected, atol=1e-5)


def test_is_an_activation_of_the_mlp_with_an_alpha_and_statistics_per_layer():
    x, mask = events()
    layer = oracles.randomized(MLP([4, 2], "dice"), {"x": x})
    np.testing.assert_allclose(layer(x), oracles.mlp(layer, x.astype("float64")), 1e-4, 1e-5)
    assert [v.shape[0] for v in layer.weights if "alpha" in v.name] == [4, 2]
    garbage = np.where(mask[:, :, np.newaxis], x, 99.0)
    clean, dirty = (layer(each, training=True, mask=mask)[mask] for each in (x, garbage))
    np.testing.assert_allclose(clean, dirty, 1e-5, 1e-6)
