from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf

from models.branches.fm import FM
from models.branches.inner_product import InnerProduct


def oracle(tokens):
    """One pair of fields at a time."""
    return np.array(
        [[sum(a @ b for a, b in combinations(each, 2))] for each in tokens.astype("float64")]
    )


def random_tokens(num_fields: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, num_fields, 3)).astype("float32")


@pytest.mark.parametrize("num_fields", [1, 2, 5])
def test_matches_oracle(num_fields):
    tokens = random_tokens(num_fields)
    np.testing.assert_allclose(FM()(tokens), oracle(tokens), rtol=1e-5, atol=1e-5)


def test_is_the_sum_of_the_inner_products():
    tokens = random_tokens()
    products = tf.reduce_sum(InnerProduct()(tokens), axis=1, keepdims=True)
    np.testing.assert_allclose(FM()(tokens), products, rtol=1e-5, atol=1e-5)


def test_the_order_of_the_fields_does_not_matter():
    tokens, layer = random_tokens(), FM()
    np.testing.assert_allclose(layer(tokens[:, [2, 0, 3, 1]]), layer(tokens), atol=1e-5)


def test_the_gradient_of_a_token_is_the_sum_of_the_others():
    tokens = tf.Variable(random_tokens())
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(FM()(tokens))
    others = tf.reduce_sum(tokens, axis=1, keepdims=True) - tokens
    np.testing.assert_allclose(tape.gradient(total, tokens), others, atol=1e-5)


def test_stays_near_the_oracle_in_bfloat16():
    # A square of a sum less a sum of squares: many fields, where cancelling would show.
    tokens = np.random.default_rng(0).normal(size=(200, 39, 16)).astype("float32")
    error = tf.cast(FM(dtype="mixed_bfloat16")(tokens), tf.float32) - oracle(tokens)
    assert np.std(error) < 0.02 * np.std(oracle(tokens))


def test_the_output_layer_is_a_relu_of_the_sum():
    tokens, layer = random_tokens(), FM(output_units=2)
    received = layer(tokens)
    kernel, bias = layer.reduction.get_weights()
    expected = np.maximum(oracle(tokens) @ kernel + bias, 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)
    assert FM.takes == "field_embeddings"
