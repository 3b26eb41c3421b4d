import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.branches.dhen.dot_module import DotModule
from models.layers.inner_products import inner_products
from tests.models.branches.dhen import interaction_oracle as oracle


def random_tokens(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("units", [(), (6,)])
def test_matches_oracle(units):
    x = random_tokens(6, 5, 3)
    layer = DotModule(4, units, "tanh")
    layer(x)
    oracle.randomize(layer)
    expected = [oracle.dot_module(layer, each) for each in x.astype("float64")]
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


def test_has_the_products_of_the_recommenders_library():
    x = random_tokens(6, 5, 3)
    theirs = tfrs.layers.feature_interaction.DotInteraction()(tf.unstack(x, axis=1))
    np.testing.assert_allclose(  # its pairs are those of the lower triangle
        np.sort(inner_products(tf.constant(x)), axis=1), np.sort(theirs, axis=1), atol=1e-5
    )


def test_two_tokens_have_one_product():
    x = random_tokens(6, 2, 3)
    expected = (x[:, 0] * x[:, 1]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(inner_products(tf.constant(x)), expected, rtol=1e-5)


def test_compiles_its_gradient_under_xla():
    x = tf.constant(random_tokens(3, 5, 3))

    @tf.function(jit_compile=True)
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(inner_products(x))
        return tape.gradient(y, x)

    expected = tf.reduce_sum(x, axis=1, keepdims=True) - x  # d sum_{i<j} <x_i, x_j> / d x_i
    np.testing.assert_allclose(gradient(), expected, atol=1e-5)


def test_one_token_has_no_pair():
    with pytest.raises(ValueError, match=r"at least 2 tokens.*leave out its `dot` module"):
        DotModule(2)(tf.zeros((3, 1, 4)))
