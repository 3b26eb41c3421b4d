"""Runs a function on two replicas that get unequal shares of a batch."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def per_replica(
    strategy: tf.distribute.Strategy, function: Callable, *arrays: np.ndarray, at: int
) -> list[tf.Tensor]:
    """What each replica returns: the first gets rows [0, at), the second the rest."""
    shares = shares_of(strategy, *arrays, at=at)
    results = tf.function(lambda *args: strategy.run(function, args=args), autograph=False)(*shares)
    return list(strategy.experimental_local_results(results))


def shares_of(strategy: tf.distribute.Strategy, *arrays: np.ndarray, at: int) -> list:
    """Each array by replica: the first gets rows [0, at), the second the rest."""
    return [
        strategy.experimental_distribute_values_from_function(
            lambda context, a=array: tf.constant(
                a[:at] if context.replica_id_in_sync_group == 0 else a[at:]
            )
        )
        for array in arrays
    ]
