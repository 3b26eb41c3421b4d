"""A cooperation loss of one's own: branches shall agree, up to a margin."""

import itertools

import tensorflow as tf
import tf_keras

from models.cooperation import CooperationLoss
from models.replicas import global_mean


@tf_keras.utils.register_keras_serializable(package="my_layers")
class MarginAgreement(CooperationLoss):
    """Mean over examples and pairs of max(0, |s_i - s_j| - margin), s being logits.

    Args:
        margin: Difference of two logits that costs nothing.
    """

    takes = ("logits",)  # what the network passes, in this order

    def __init__(self, margin: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        if not margin >= 0.0:
            raise ValueError(f"MarginAgreement: `margin` must be >= 0. Received: margin={margin}.")
        self.margin = margin

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        pairs = list(itertools.combinations(range(logits.shape[1]), 2))
        first, second = (tf.gather(logits, each, axis=1) for each in zip(*pairs, strict=True))
        excess = tf.nn.relu(tf.abs(first - second) - self.margin)  # (batch, pairs)
        # This replica's share of the mean over the global batch: right on any number of GPUs.
        return global_mean(tf.reduce_mean(excess, axis=1))

    def get_config(self) -> dict:
        return {**super().get_config(), "margin": self.margin}
