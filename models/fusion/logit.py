"""Logit fusion: the branches vote, and nothing is learnt on top of them."""

from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.fusion.unweighted import EqualFusion

Combine = Literal["mean", "sum"]


@tf_keras.utils.register_keras_serializable(package="concord")
class LogitFusion(EqualFusion):
    """The fused logit is the mean, or the sum, of the branches' logits.

        s = mean_i s_i          or          s = sum_i s_i

    The mean is the ensemble of KDEF, where it teaches and answers; in terms of probabilities it
    is their normalised geometric mean. With the sum the branches share out one logit between
    them, as linear and deep part of Wide & Deep do.

    Reference: KDEF, arXiv:2411.16122, as in salmon1802/KDEF.

    Example:
        >>> LogitFusion()(tf.zeros((1, 2, 8)), logits=tf.constant([[1.0, 3.0]])).numpy()
        array([[2.]], dtype=float32)

    Args:
        combine: `mean` or `sum`.

    Call arguments:
        representations: Float tensor (batch, n, d); only n is looked at.
        logits: The branches' logits (batch, n).
        gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        The fused logit (batch, 1), float32.
    """

    takes = ("logits",)
    gives_logit = True

    def __init__(self, combine: Combine = "mean", **kwargs):
        super().__init__(**kwargs)
        if combine not in get_args(Combine):
            raise ValueError(
                f"LogitFusion: `combine` must be one of {', '.join(get_args(Combine))}. "
                f"Received: combine={combine!r}."
            )
        self.combine = combine

    def fuse(
        self, representations: tf.Tensor, training: bool | None, logits: tf.Tensor
    ) -> tf.Tensor:
        combine = tf.reduce_mean if self.combine == "mean" else tf.reduce_sum
        return combine(tf.cast(logits, tf.float32), axis=1, keepdims=True)

    def weight_of_each(self, num_branches: int) -> float:
        return 1.0 / num_branches if self.combine == "mean" else 1.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "combine": self.combine}
