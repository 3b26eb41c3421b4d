import numpy as np
import pytest
import tensorflow as tf

from models.branches.wide import Wide


def built(**settings) -> tuple[Wide, np.ndarray]:
    layer = Wide(**settings)
    layer.build((None, 4))
    layer.bias.assign([0.7])
    return layer, np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def test_is_the_bias_and_all_first_order_numbers():
    layer, x = built()
    expected = [[0.7 + sum(float(each) for each in row)] for row in x]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)


def test_the_order_of_the_fields_does_not_matter():
    layer, x = built()
    np.testing.assert_allclose(layer(x[:, [2, 0, 3, 1]]), layer(x), rtol=1e-5)


def test_every_number_and_the_bias_count_once():
    layer, x = built()
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x))
    by_number, by_bias = tape.gradient(total, [x, layer.bias])
    np.testing.assert_array_equal(by_number, np.ones((6, 4)))
    np.testing.assert_array_equal(by_bias, [6.0])


def test_starts_without_a_bias():
    layer = Wide()
    np.testing.assert_array_equal(layer(tf.zeros((2, 3))), np.zeros((2, 1)))


def test_the_output_layer_is_a_relu_of_the_sum():
    layer, x = built(output_units=3)
    received = layer(x)
    kernel, bias = layer.reduction.get_weights()
    total = 0.7 + x.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(received, np.maximum(total @ kernel + bias, 0.0), atol=1e-6)


def test_asks_the_network_for_first_order_numbers():
    assert Wide.takes == "first_order"
    assert Wide.uses_first_order


@pytest.mark.parametrize("shape", [(2, 0), (2, 3, 4)])
def test_rejects_an_embedding_set_that_was_not_asked_for_them(shape):
    with pytest.raises(
        ValueError, match=r"Feed `Embedded.first_order`, of an embedding set that was"
    ):
        Wide()(tf.zeros(shape))
