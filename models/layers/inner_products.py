"""The inner product of every two tokens."""

import numpy as np
import tensorflow as tf


def inner_products(tokens: tf.Tensor) -> tf.Tensor:
    """<x_i, x_j> for i < j, (batch, m, width) -> (batch, m (m - 1) / 2), pairs in row order.

    Not `tfrs.layers.feature_interaction.DotInteraction` (tensorflow-recommenders 0.7.7): XLA
    refuses the gradient of its boolean mask, and its step takes about twice as long; without the
    mask (`skip_gather`) it returns m^2 numbers, half of them 0. Its pairs are these, in the order
    of the lower triangle.
    """
    m = tokens.shape[1]
    products = tf.matmul(tokens, tokens, transpose_b=True)  # (B, m, m)
    row, column = np.triu_indices(m, k=1)
    return tf.gather(tf.reshape(products, (-1, m * m)), row * m + column, axis=1)
