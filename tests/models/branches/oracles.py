"""Slow float64 NumPy versions of what several branches are made of, and inputs to try them on."""

import numpy as np
import tensorflow as tf

from models.embeddings.embedded import Embedded
from tests.models.embedded_inputs import random_embedded


def mlp(layer, x: np.ndarray) -> np.ndarray:
    """`layer`, an MLP with ReLU and without batch normalisation, on one example or several."""
    for linear in layer.linears:
        kernel, bias = (each.astype("float64") for each in linear.get_weights())
        x = np.maximum(x @ kernel + bias, 0.0)
    return x


def embedded(batch: int = 6, fields: int = 4, width: int = 3, extra: int = 0) -> Embedded:
    """Tensors, without histories."""
    rng = np.random.default_rng(0)
    made = random_embedded(rng, batch, fields, width, histories={}, extra=extra)
    return tf.nest.map_structure(tf.constant, made)


def with_random_weights(layer, x):
    """`layer`, built on x, every weight drawn anew: no zero hides a mistake."""
    rng = np.random.default_rng(1)
    layer(x)
    layer.set_weights([rng.normal(scale=0.7, size=w.shape) for w in layer.get_weights()])
    return layer


def examples(x: Embedded) -> list[tuple[np.ndarray, np.ndarray]]:
    """(tokens, first-order numbers) of every example, in float64."""
    tokens, first_order = (
        each.numpy().astype("float64") for each in (x.field_embeddings, x.first_order)
    )
    return list(zip(tokens, first_order, strict=True))


def pairs(tokens: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(e_i, e_j) for i < j."""
    return [(tokens[i], tokens[j]) for i in range(len(tokens)) for j in range(i + 1, len(tokens))]
