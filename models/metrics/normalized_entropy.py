"""Normalized entropy: logloss relative to always predicting the average rate."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.metrics.logloss import logloss


def normalized_entropy(
    labels: np.ndarray, probs: np.ndarray, base_rate: float | None = None
) -> float:
    """logloss / H(p), H(p) = -p ln p - (1 - p) ln(1 - p).

    Example:
        >>> normalized_entropy([0, 1], [0.5, 0.5])
        1.0

    Args:
        labels: 0s and 1s, (rows,).
        probs: Predicted probabilities, (rows,).
        base_rate: p; by default the mean label of these rows (as torchrec and DHEN; InterFormer
            takes the training set's).

    Returns:
        The ratio, below 1 where predictions beat the base rate; nan where H(p) is 0 or no row is
        left.
    """
    if not np.size(labels):
        return float("nan")
    rate = float(np.mean(labels, dtype=np.float64)) if base_rate is None else float(base_rate)
    if not 0.0 < rate < 1.0:
        return float("nan")
    return float(logloss(labels, probs) / entropy_of(rate))


def entropy_of(rate: float) -> float:
    """H(p) in nats of a rate p between 0 and 1, both excluded."""
    return float(-rate * np.log(rate) - (1.0 - rate) * np.log1p(-rate))


@tf_keras.utils.register_keras_serializable(package="concord")
class NormalizedEntropy(tf_keras.metrics.Metric):
    """`normalized_entropy` over everything seen since the last reset, from logits.

    Sums are kept in float64, over all replicas.

    Args:
        base_rate: As for `normalized_entropy`.
    """

    def __init__(
        self,
        base_rate: float | None = None,
        name: str = "normalized_entropy",
        dtype: str = "float64",
    ):
        super().__init__(name=name, dtype=dtype)
        self.base_rate = base_rate
        self.loss_sum = self.add_weight("loss_sum", initializer="zeros")
        self.positives = self.add_weight("positives", initializer="zeros")
        self.rows = self.add_weight("rows", initializer="zeros")

    def update_state(self, labels: tf.Tensor, logits: tf.Tensor) -> None:
        """Adds rows: labels and logits, each (batch,) or (batch, 1)."""
        labels = tf.reshape(tf.cast(labels, self.dtype), (-1,))
        logits = tf.reshape(tf.cast(logits, self.dtype), (-1,))
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        self.loss_sum.assign_add(tf.reduce_sum(losses))
        self.positives.assign_add(tf.reduce_sum(labels))
        self.rows.assign_add(tf.cast(tf.size(labels), self.dtype))

    def result(self) -> tf.Tensor:
        rate = self.positives / self.rows
        if self.base_rate is not None:
            rate = tf.constant(self.base_rate, self.dtype)
        entropy = -rate * tf.math.log(rate) - (1.0 - rate) * tf.math.log1p(-rate)
        return self.loss_sum / self.rows / entropy

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "base_rate": self.base_rate}
