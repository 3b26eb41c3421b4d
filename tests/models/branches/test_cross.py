import numpy as np
import pytest
import tensorflow as tf

from models.branches.cross import Cross


def oracle(layer, x):
    """One example at a time; x_1 to x_L."""
    rows = []
    for x0 in x.astype("float64"):
        xl, crossed = x0, []
        for kernel, bias in zip(layer.kernels, layer.biases, strict=True):
            xl = x0 * float(kernel.numpy()[:, 0].astype("float64") @ xl) + bias.numpy() + xl
            crossed.append(xl)
        rows.append(crossed)
    return np.array(rows).swapaxes(0, 1)


def built(**settings) -> tuple[Cross, np.ndarray]:
    rng = np.random.default_rng(0)
    layer = Cross(**settings)
    layer.build((None, 5))
    layer.set_weights([0.5 * rng.normal(size=v.shape) for v in layer.weights])
    return layer, rng.normal(size=(6, 5)).astype("float32")


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_matches_oracle(num_layers):
    layer, x = built(num_layers=num_layers)
    np.testing.assert_allclose(layer(x), oracle(layer, x)[-1], rtol=1e-4, atol=1e-4)


def test_shows_the_output_of_each_layer():
    layer, x = built(num_layers=3)
    h, details = layer(x, return_details=True)
    np.testing.assert_allclose(details.intermediates, oracle(layer, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(details.intermediates[-1], h)
    assert layer.exposes_intermediates


def test_keeps_the_residual():
    layer, x = built(num_layers=3)
    layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    np.testing.assert_array_equal(layer(x), x)  # nothing is crossed, and x_0 is still there


def test_the_bias_is_not_crossed():
    layer, x = built(num_layers=3)
    total = np.sum([bias.numpy() for bias in layer.biases], axis=0)
    np.testing.assert_allclose(layer(np.zeros_like(x)), np.tile(total, (6, 1)), rtol=1e-6)


def test_the_gradient_is_the_closed_form():
    layer, x = built(num_layers=1)
    c = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(c * layer(x))
    w = layer.kernels[0].numpy()  # (D, 1)
    # d/dx c^T (x (w^T x) + b + x)
    expected = c * (x.numpy() @ w) + (c * x.numpy()).sum(axis=1, keepdims=True) * w.T + c
    np.testing.assert_allclose(tape.gradient(total, x), expected, rtol=1e-4, atol=1e-5)


def test_the_output_layer_is_a_relu_of_x_l():
    layer, x = built(num_layers=2, output_units=4)
    received = layer(x)
    kernel, bias = layer.reduction.get_weights()
    expected = np.maximum(oracle(layer, x)[-1] @ kernel + bias, 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)


def test_starts_glorot_normal():
    layer = Cross(num_layers=2)
    layer.build((None, 2000))
    first, second = (kernel.numpy() for kernel in layer.kernels)
    assert first.std() == pytest.approx(np.sqrt(2 / 2001), rel=0.1)
    assert not np.allclose(first, second)
    assert not any(bias.numpy().any() for bias in layer.biases)


def test_has_three_layers_on_flat_tokens_unless_told_otherwise():
    layer = Cross()
    layer(tf.zeros((1, 4)))
    assert [v.shape.as_list() for v in layer.weights] == [[4, 1]] * 3 + [[4]] * 3
    assert Cross.takes == "flat"


def test_rejects_impossible_settings_and_inputs():
    with pytest.raises(ValueError, match=r"must be >= 1. Received: num_layers=0"):
        Cross(num_layers=0)
    with pytest.raises(ValueError, match=r"Received: \(2, 3, 4\). Feed `Embedded.flat`"):
        Cross()(tf.zeros((2, 3, 4)))
