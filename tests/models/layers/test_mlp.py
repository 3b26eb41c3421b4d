import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.layers.mlp import MLP
from tests.replicas import per_replica


def test_matches_oracle_activation_on_every_layer():
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    layer = MLP([4, 3])
    received = layer(x)
    for linear in layer.linears:
        kernel, bias = (each.astype("float64") for each in linear.get_weights())
        x = np.maximum(x @ kernel + bias, 0.0)
    assert (x == 0.0).any()  # the last layer too has a ReLU
    np.testing.assert_allclose(received, x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "dice"])
def test_the_last_layer_may_have_an_activation_of_its_own(activation):
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    layer = MLP([4, 3], activation, last_activation="linear")
    hidden, last = layer(x, return_hidden=True)
    kernel, bias = (each.astype("float64") for each in layer.linears[1].get_weights())
    np.testing.assert_allclose(last, hidden.numpy() @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert len(layer.dices) == (activation == "dice")
    dice_last = MLP([4, 3], "linear", last_activation="dice")
    assert dice_last(x).shape == (6, 3)
    assert len(dice_last.dices) == 1


def test_normalises_before_the_activation_and_drops_after_it():
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    layer = MLP([40], dropout=0.5, batch_norm=True)
    received = layer(x, training=True).numpy()
    (kernel,) = (each.astype("float64") for each in layer.linears[0].get_weights())  # no bias
    linear = x @ kernel
    normal = (linear - linear.mean(0)) / np.sqrt(linear.var(0) + layer.norms[0].epsilon)
    kept = received != 0.0
    expected = 2.0 * np.maximum(normal, 0.0)  # inverted dropout of one half
    np.testing.assert_allclose(received[kept], expected[kept], rtol=1e-3, atol=1e-4)
    assert 0.4 < kept[expected > 0.0].mean() < 0.6


def test_batch_statistics_are_those_of_the_global_batch(two_replicas):
    x = np.random.default_rng(0).normal(loc=3.0, size=(7, 5)).astype("float32")
    with two_replicas.scope():
        layer = MLP([4], batch_norm=True)
        layer.build((None, 5))
        layer(x)
    one = MLP([4], batch_norm=True)
    one(x)
    one.set_weights(layer.get_weights())
    shares = per_replica(two_replicas, lambda x: layer(x, training=True), x, at=2)
    np.testing.assert_allclose(np.concatenate(shares), one(x, training=True), atol=1e-5)


def test_starts_glorot_normal_with_zero_biases():
    layer = MLP([300])
    layer(tf.zeros((1, 500)))
    kernel, bias = layer.get_weights()
    assert kernel.std() == pytest.approx(np.sqrt(2 / 800), rel=0.02)
    assert not bias.any()


def test_sublayers_follow_the_layers_own_dtype():
    assert MLP([3], dtype="float64")(tf.zeros((1, 2), tf.float64)).dtype == tf.float64
    policy = tf_keras.mixed_precision.Policy("mixed_bfloat16")
    assert MLP([3], dtype=policy)(tf.zeros((1, 2))).dtype == tf.bfloat16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": []}, r"units=\[\]"),
        ({"units": [3, 0]}, r"widths >= 1.*units=\[3, 0\]"),
        ({"units": [3], "dropout": 1.0}, r"\[0, 1\).*dropout=1.0"),
        ({"units": [3], "activation": "rely"}, "rely"),
    ],
)
def test_rejects_impossible_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLP(**arguments)


@pytest.mark.parametrize("activation", ["relu", "dice"])
def test_statistics_and_gradients_of_training_are_those_of_float32(activation):
    """Sums over 10,000 rows, which in bfloat16 would stop growing at 256 times a row's part."""
    rng = np.random.default_rng(3)
    x = tf.constant(rng.normal(1.0, 1.0, size=(10_000, 5)), tf.float32)
    coefficients = tf.constant(rng.normal(1.0, 0.5, size=(10_000, 3)), tf.float32)
    weights = None
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        layer = MLP([3], activation, batch_norm=True, dtype=policy)
        layer(x[:2])
        weights = weights or [each + 0.2 for each in layer.get_weights()]
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            y = tf.cast(layer(x, training=True), tf.float32)
            total = tf.reduce_sum(coefficients * y)
        (norm,) = layer.norms
        scales = [norm.gamma, norm.beta, *(dice.alpha for dice in layer.dices)]
        moving = list(layer.non_trainable_weights)
        results.append([*tape.gradient(total, scales), *map(tf.convert_to_tensor, moving)])
    for expected, received in zip(*results, strict=True):
        np.testing.assert_allclose(received, expected, rtol=0.02, atol=1e-3)
