import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.branches.cross_v2 import CrossV2


def oracle(layer, x):
    """One example and one output at a time; x_1 to x_L."""
    kernels = [kernel.numpy().astype("float64") for kernel in layer.kernels]
    rows = []
    for x0 in x.astype("float64"):
        xl, crossed = x0, []
        for kernel, bias in zip(kernels, layer.biases, strict=True):
            b = bias.numpy()
            xl = np.array([x0[i] * (kernel[:, i] @ xl + b[i]) + xl[i] for i in range(len(x0))])
            crossed.append(xl)
        rows.append(crossed)
    return np.array(rows).swapaxes(0, 1)


def built(num_layers: int = 2, **settings) -> tuple[CrossV2, np.ndarray]:
    rng = np.random.default_rng(0)
    layer = CrossV2(num_layers, **settings)
    layer.build((None, 5))
    layer.set_weights([0.5 * rng.normal(size=v.shape) for v in layer.weights])
    return layer, rng.normal(size=(6, 5)).astype("float32")


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_matches_oracle(num_layers):
    layer, x = built(num_layers)
    np.testing.assert_allclose(layer(x), oracle(layer, x)[-1], rtol=1e-4, atol=1e-4)


def test_is_a_stack_of_tfrs_cross_layers():
    layer, x = built(num_layers=3)
    xl = x
    for kernel, bias in zip(layer.kernels, layer.biases, strict=True):
        peer = tfrs.layers.feature_interaction.Cross()
        peer(x, xl)
        peer.set_weights([kernel.numpy(), bias.numpy()])
        xl = peer(x, xl)
    np.testing.assert_allclose(layer(x), xl, rtol=1e-5, atol=1e-5)


def test_shows_the_output_of_each_layer():
    layer, x = built(num_layers=3)
    h, details = layer(x, return_details=True)
    np.testing.assert_allclose(details.intermediates, oracle(layer, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(details.intermediates[-1], h)


def test_keeps_the_residual():
    layer, x = built()
    layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    np.testing.assert_array_equal(layer(x), x)


def test_a_zero_embedding_stays_zero():
    layer, x = built()  # the bias is crossed as well
    np.testing.assert_array_equal(layer(np.zeros_like(x)), np.zeros_like(x))


def test_the_gradient_is_the_closed_form():
    layer, x = built(num_layers=1)
    c = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(c * layer(x))
    kernel, bias = layer.get_weights()
    # d/dx c^T (x * (W x + b) + x), W the transpose of the kernel
    expected = c * (x.numpy() @ kernel + bias) + (c * x.numpy()) @ kernel.T + c
    np.testing.assert_allclose(tape.gradient(total, x), expected, rtol=1e-4, atol=1e-5)


def test_multiplies_in_bfloat16_under_mixed_precision():
    layer = CrossV2(2, dtype="mixed_bfloat16")
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((None, 5))).graph.as_graph_def()
    operations = [*graph.node, *(op for called in graph.library.function for op in called.node_def)]
    dtypes = [tf.as_dtype(op.attr["T"].type) for op in operations if op.op == "MatMul"]
    assert dtypes == [tf.bfloat16] * 2


def test_starts_glorot_normal():
    layer = CrossV2(num_layers=2)
    layer.build((None, 60))
    for kernel in layer.kernels:
        assert kernel.numpy().std() == pytest.approx(np.sqrt(2 / 120), rel=0.1)
    assert not any(bias.numpy().any() for bias in layer.biases)


def test_has_three_layers_on_flat_tokens_unless_told_otherwise():
    layer = CrossV2()
    layer(tf.zeros((1, 4)))
    assert [v.shape.as_list() for v in layer.weights] == [[4, 4]] * 3 + [[4]] * 3
    assert CrossV2.takes == "flat"
    assert CrossV2.exposes_intermediates
