import numpy as np
import pytest
import tensorflow as tf

from models.branches.inner_product import InnerProduct


def oracle(tokens):
    """One product at a time, in the order (1, 2), (1, 3), ..., (2, 3), ..."""
    _, n, _ = tokens.shape
    return np.array(
        [
            [example[i] @ example[j] for i in range(n) for j in range(i + 1, n)]
            for example in tokens.astype("float64")
        ]
    )


def random_tokens(num_fields: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, num_fields, 3)).astype("float32")


@pytest.mark.parametrize("num_fields", [2, 3, 5])
def test_matches_oracle(num_fields):
    tokens = random_tokens(num_fields)
    np.testing.assert_allclose(InnerProduct()(tokens), oracle(tokens), rtol=1e-5, atol=1e-5)


def test_a_permutation_of_the_fields_permutes_the_products():
    tokens, layer = random_tokens(), InnerProduct()
    permuted = np.sort(layer(tokens[:, [2, 0, 3, 1]]), axis=1)
    np.testing.assert_allclose(permuted, np.sort(layer(tokens), axis=1), atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_the_gradient_of_a_token_is_the_weighted_sum_of_the_others(jit_compile):
    tokens, layer = tf.constant(random_tokens(3)), InnerProduct()
    a, b, c = 2.0, -1.0, 0.5  # of (1, 2), (1, 3) and (2, 3)

    @tf.function(jit_compile=jit_compile)
    def gradient(tokens):
        return tf.gradients(layer(tokens) @ [[a], [b], [c]], tokens)[0]

    e1, e2, e3 = tf.unstack(tokens, axis=1)
    expected = tf.stack([a * e2 + b * e3, a * e1 + c * e3, b * e1 + c * e2], axis=1)
    np.testing.assert_allclose(gradient(tokens), expected, atol=1e-5)


def test_the_output_layer_is_a_relu_of_the_products():
    tokens, layer = random_tokens(), InnerProduct(output_units=2)
    received = layer(tokens)
    kernel, bias = layer.reduction.get_weights()
    expected = np.maximum(oracle(tokens) @ kernel + bias, 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)
    assert InnerProduct.takes == "field_embeddings"


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 12)])
def test_rejects_what_has_no_two_fields(shape):
    shape_expected = r"expected field embeddings \(batch, num_fields >= 2, embedding_dim\)"
    with pytest.raises(ValueError, match=shape_expected):
        InnerProduct()(tf.zeros(shape))
