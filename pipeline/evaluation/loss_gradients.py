"""Where the gradients of a trained network's loss terms point: together, or against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from models.network import CooperativeNetwork
from pipeline.evaluation.split_rows import Inputs


def gradient_directions(
    network: CooperativeNetwork, inputs: Inputs, labels: np.ndarray
) -> dict[str, Any] | None:
    """Gradients of the loss terms for the dense weights of branches, alignment, fusion and heads.

    Args:
        network: The trained network, on one replica.
        inputs: Input -> rows, of which all are one batch.
        labels: 0s and 1s, (rows,).

    Returns:
        `terms`, those whose gradient is not 0, as `network.term_names`; `norms` of their gradients,
        each times the term's weight in the loss; `cosines`, of every term with every other.
        None where several replicas or parameter servers hold the network.
    """
    strategy = network.distribute_strategy
    is_sharded = isinstance(strategy, tf.distribute.ParameterServerStrategy)
    if is_sharded or strategy.num_replicas_in_sync > 1:
        return None
    products = tf.function(_products, autograph=False)
    features = {name: tf.constant(values) for name, values in inputs.items()}
    arguments = (network, features, tf.constant(labels, tf.float32))
    matrix = strategy.run(products, args=arguments).numpy().astype(np.float64)
    norms = np.sqrt(np.diag(matrix))
    there = np.flatnonzero(norms > 0.0)
    cosines = matrix[np.ix_(there, there)] / np.outer(norms[there], norms[there])
    names = [network.term_names[place] for place in there]
    weights = [float(network.term_weights.get(name, 1.0)) for name in names]
    return {
        "terms": names,
        "norms": [weight * float(norm) for weight, norm in zip(weights, norms[there], strict=True)],
        "cosines": np.clip(cosines, -1.0, 1.0).tolist(),
    }


def _products(
    network: CooperativeNetwork, features: Mapping[str, tf.Tensor], labels: tf.Tensor
) -> tf.Tensor:
    """Inner products of the terms' gradients, float64 (terms, terms)."""
    weights = network.compared_weights
    with tf.GradientTape(persistent=True) as tape:
        outputs = network(features, training=False)
        terms = network.loss_terms(outputs, labels)
    rows = [_flat(tape.gradient(term, weights), weights) for term in terms.values()]
    gradients = tf.cast(tf.stack(rows), tf.float64)  # (terms, all weights)
    return tf.matmul(gradients, gradients, transpose_b=True)


def _flat(gradients: Sequence[tf.Tensor | None], weights: Sequence[tf.Variable]) -> tf.Tensor:
    return tf.concat(
        [
            tf.reshape(tf.zeros_like(w) if g is None else tf.convert_to_tensor(g), [-1])
            for g, w in zip(gradients, weights, strict=True)
        ],
        axis=0,
    )
