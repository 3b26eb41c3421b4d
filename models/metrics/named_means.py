"""Several running means in one metric."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="concord")
class NamedMeans(tf_keras.metrics.Metric):
    """Weighted means of several scalars, updated by one vector and read as a dict.

    Under a tf.distribute strategy each replica passes the same global values; return `result()`
    from `train_step` as it is. (Keras sums logs over replicas, but not a metric's result.)

    Args:
        names: Names of the values, in the order of the vector.
    """

    def __init__(self, names: Sequence[str], name: str = "named_means", dtype: str | None = None):
        super().__init__(name=name, dtype=dtype)
        self.names = tuple(names)
        self.total = self.add_weight("total", shape=(len(self.names),), initializer="zeros")
        self.weight = self.add_weight("weight", initializer="zeros")

    def update_state(self, values: tf.Tensor, sample_weight: tf.Tensor | float = 1.0) -> None:
        """Adds `values` (len(names),) with one weight for all."""
        weight = tf.cast(sample_weight, self.dtype)
        self.total.assign_add(tf.cast(values, self.dtype) * weight)
        self.weight.assign_add(weight)

    def result(self) -> dict[str, tf.Tensor]:
        means = tf.math.divide_no_nan(self.total, self.weight)
        return dict(zip(self.names, tf.unstack(means), strict=True))

    def reset_state(self) -> None:
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "names": list(self.names)}
