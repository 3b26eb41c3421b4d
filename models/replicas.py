"""Sums and means over the global batch: the only place that talks to other replicas.

Gradients are summed over replicas. A loss is therefore returned as this replica's *share*: its
own numerator over the global denominator. Shares add up to the loss of the global batch, and so
do their gradients.
"""

from typing import Any

import tensorflow as tf


def global_sum(x: Any) -> Any:
    """The sum of `x` over all replicas; `x` itself outside of them. Differentiable.

    Args:
        x: A tensor, or a nest of tensors, which travel together.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def equal_share(value: tf.Tensor) -> tf.Tensor:
    """This replica's share of a value that all replicas computed alike, from global sums.

    For losses of statistics, which are no sum over examples. The gradients come right as well: a
    global sum hands every replica the sum of the gradients of all the shares.
    """
    context = tf.distribute.get_replica_context()
    return value if context is None else value / context.num_replicas_in_sync


def global_mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """This replica's share of the mean over the examples of the global batch.

    Args:
        values: Float tensor (batch, ...), an example per row.
        weights: None, or float tensor (batch, 1, ...) of the rank of `values`.

    Returns:
        Float tensor of shape values.shape[1:]; 0 where no example, or no weight, is left.
    """
    if weights is None:
        total = tf.reduce_sum(values, axis=0)
        count = tf.cast(tf.shape(values)[0], values.dtype)
        return tf.math.divide_no_nan(total, global_sum(count))
    # multiply_no_nan: an example of weight 0 is no part of the mean, whatever its value.
    weights = tf.cast(weights, values.dtype)
    total = tf.reduce_sum(tf.math.multiply_no_nan(values, weights), axis=0)
    return tf.math.divide_no_nan(total, global_sum(tf.reduce_sum(weights)))


def replicas_with_row(rows: tf.Tensor) -> tf.Tensor:
    """On how many replicas each row was read; int32 (U,).

    Args:
        rows: int32 (U,), the rows that this replica read, each once.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.ones_like(rows)
    distinct, _, counts = tf.unique_with_counts(context.all_gather(rows, axis=0))
    order = tf.argsort(distinct)
    position = tf.searchsorted(tf.gather(distinct, order), rows)
    return tf.gather(counts, tf.gather(order, position))
