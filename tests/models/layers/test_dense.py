import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.layers.dense import Dense

ROWS = 10_000


def bias_gradient(layer, x, jit_compile=None):
    layer.build(x.shape)

    @tf.function(jit_compile=jit_compile)
    def gradient():
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.cast(layer(x), tf.float32))
        return tape.gradient(total, layer.bias)

    return gradient().numpy()


@pytest.mark.parametrize("shape", [(ROWS, 3), (ROWS // 50, 50, 3)], ids=["rows", "steps"])
@pytest.mark.parametrize("jit_compile", [None, True], ids=["graph", "xla"])
def test_adds_the_bias_up_over_all_rows_in_bfloat16(shape, jit_compile):
    layer = Dense(2, dtype="mixed_bfloat16")
    gradient = bias_gradient(layer, tf.ones(shape), jit_compile)
    np.testing.assert_allclose(gradient, [ROWS, ROWS], rtol=2**-8)  # rounded once


def test_without_it_a_sum_in_bfloat16_stops():
    """Why there is this layer: when this fails, TensorFlow has been mended and it can go."""
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("on a GPU BiasAddGrad adds up in float32")
    gradient = bias_gradient(tf_keras.layers.Dense(2, dtype="mixed_bfloat16"), tf.ones((ROWS, 3)))
    assert gradient.max() < ROWS / 2


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
@pytest.mark.parametrize("shape", [(7, 3), (2, 5, 3), (0, 3)], ids=str)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_is_keras_dense(policy, shape, options):
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    ours, keras = (
        Dense(4, dtype=policy, **options),
        tf_keras.layers.Dense(4, dtype=policy, **options),
    )
    keras(x), ours(x)
    assert [weight.name for weight in ours.weights] == [
        weight.name.replace(keras.name, ours.name) for weight in keras.weights
    ]
    keras.set_weights([weight + 0.5 for weight in keras.get_weights()])
    ours.set_weights(keras.get_weights())
    received, expected = ours(x), keras(x)
    assert received.dtype == expected.dtype
    np.testing.assert_array_equal(tf.cast(received, "float32"), tf.cast(expected, "float32"))
