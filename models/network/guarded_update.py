"""Applies gradients only when a step is healthy, on any number of replicas."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.private_keras import updates_without_merge_call

Pairs = Sequence[tuple[tf.Tensor | tf.IndexedSlices, tf.Variable]]


def apply_gradients_if(
    healthy: tf.Tensor, optimizer: tf_keras.optimizers.Optimizer, pairs: Pairs
) -> None:
    """One step of the optimizer, or none: weights and slots then stay exactly as they are.

    `optimizer.iterations` counts the step either way, so that it goes on counting batches.
    (Gradients set to 0 would not do: momentum moves weights at a gradient of 0.)

    Must be called in replica context. Variables cannot be updated inside a `tf.cond` there, so
    the condition is taken in cross-replica context, as tf_keras' LossScaleOptimizer does it.

    Args:
        healthy: Bool scalar, the same on every replica.
        optimizer: A tf_keras optimizer (not a legacy one).
        pairs: Gradients that are already summed over replicas
            (`optimizer.aggregate_gradients`), with their variables. The optimizer clips here,
            so `global_clipnorm` clips the gradient of the global batch.
    """
    gradients, variables = zip(*pairs, strict=True)
    with tf.init_scope():  # slots cannot be created inside a condition
        optimizer.build(variables)

    def apply(gradients: Sequence[tf.Tensor | tf.IndexedSlices]) -> None:
        optimizer.apply_gradients(
            zip(gradients, variables, strict=True), skip_gradients_aggregation=True
        )

    def skip() -> None:
        optimizer.iterations.assign_add(1, read_value=False)

    if updates_without_merge_call():
        tf.cond(healthy, lambda: apply(gradients), skip)
        return

    def across_replicas(
        strategy: tf.distribute.Strategy, healthy: tf.Tensor, gradients: Sequence[Any]
    ) -> None:
        tf.cond(
            strategy.experimental_local_results(healthy)[0],
            lambda: strategy.extended.call_for_each_replica(apply, args=(gradients,)),
            skip,
        )

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(healthy, gradients))


def all_finite(pairs: Pairs) -> tf.Tensor:
    """Whether every gradient is finite; bool scalar. Costs one sum over each gradient."""
    sums = [
        tf.reduce_sum(gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient)
        for gradient, _ in pairs
        if gradient is not None
    ]
    return tf.reduce_all(
        tf.math.is_finite(tf.stack([tf.cast(total, tf.float32) for total in sums]))
    )
