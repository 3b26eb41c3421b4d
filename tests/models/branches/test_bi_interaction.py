from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf

from models.branches.bi_interaction import BiInteraction


def oracle(tokens):
    """One pair of fields at a time."""
    return np.array(
        [
            sum((a * b for a, b in combinations(example, 2)), np.zeros(tokens.shape[2]))
            for example in tokens.astype("float64")
        ]
    )


def random_tokens(num_fields: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, num_fields, 3)).astype("float32")


@pytest.mark.parametrize("num_fields", [1, 2, 5])
def test_matches_oracle(num_fields):
    tokens = random_tokens(num_fields)
    np.testing.assert_allclose(BiInteraction()(tokens), oracle(tokens), rtol=1e-5, atol=1e-5)


def test_the_order_of_the_fields_does_not_matter():
    tokens, layer = random_tokens(), BiInteraction()
    np.testing.assert_allclose(layer(tokens[:, [2, 0, 3, 1]]), layer(tokens), atol=1e-5)


def test_the_gradient_of_a_token_is_the_sum_of_the_others():
    tokens = tf.Variable(random_tokens())
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(BiInteraction()(tokens))
    others = tf.reduce_sum(tokens, axis=1, keepdims=True) - tokens
    np.testing.assert_allclose(tape.gradient(total, tokens), others, atol=1e-5)


def test_the_output_layer_is_a_relu_of_the_pooled_products():
    tokens, layer = random_tokens(), BiInteraction(output_units=2)
    received = layer(tokens)
    kernel, bias = layer.reduction.get_weights()
    expected = np.maximum(oracle(tokens) @ kernel + bias, 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)
    assert BiInteraction.takes == "field_embeddings"
