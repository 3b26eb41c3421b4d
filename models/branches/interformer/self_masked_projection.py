"""Aligned sequences of a history, each step masked by itself and folded into one token."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class SelfMaskedProjection(tf_keras.layers.Layer):
    """InterFormer's unifier of k aligned sequences, step by step (there: MaskNet).

        T = W_lce (S * MLP_mask(S)),  MLP_mask(S) = W_2 g(W_1 S + b_1) + b_2

    MLP_mask keeps the k x d numbers of a step, W_lce combines them to `width`. No bias in W_lce:
    a step of zeros, such as padding, stays zero. b_2 starts at 1, not 0: S times a mask that is
    itself proportional to S would be the square of an embedding that starts near 0.

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4; the two layers of the mask are
    those of `models.branches.MaskNet`, arXiv:2102.07619v2, with reduction ratio 1.

    Example:
        >>> SelfMaskedProjection(4)(tf.zeros((1, 5, 8))).shape
        TensorShape([1, 5, 4])

    Args:
        width: Width of a token.
        activation: g, name of a Keras activation.

    Call arguments:
        steps: Float tensor (batch, length, k x d).

    Returns:
        (batch, length, width).
    """

    def __init__(self, width: int, activation: str = "swish", **kwargs):
        super().__init__(**kwargs)
        if width < 1:
            raise ValueError(
                f"SelfMaskedProjection: `width` must be >= 1. Received: width={width}."
            )
        self.width, self.activation = width, activation
        self.combine = Dense(
            width,
            use_bias=False,
            dtype=self.dtype_policy,
            name="combine",
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        policy, total = self.dtype_policy, input_shape[-1]
        self.hidden = MLP([total], self.activation, dtype=policy, name="hidden")
        self.mask = Dense(
            total,
            bias_initializer="ones",
            dtype=policy,
            name="mask",
        )
        super().build(input_shape)

    def call(self, steps: tf.Tensor) -> tf.Tensor:
        return self.combine(steps * self.mask(self.hidden(steps)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "activation": self.activation}
