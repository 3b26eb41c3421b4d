"""Tokens as linear combinations of tokens."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.kernel_product import kernel_product


@tf_keras.utils.register_keras_serializable(package="concord")
class TokenLinear(tf_keras.layers.Layer):
    """Recombines m tokens into l others, every dimension of the width alike.

        Y = W X,  W in R^{l x m}, no bias, Glorot normal

    DHEN's linear module and its shortcut between unequal numbers of tokens; the linear compressed
    embedding (LCE) of Wukong and InterFormer.

    Reference: Zhang et al., DHEN, arXiv:2203.11014v1, the linear module.

    Example:
        >>> TokenLinear(2)(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 2, 4])

    Args:
        num_tokens: l, tokens out.

    Call arguments:
        tokens: Float tensor (batch, m, width).

    Returns:
        (batch, num_tokens, width).
    """

    def __init__(self, num_tokens: int, **kwargs):
        super().__init__(**kwargs)
        if num_tokens < 1:
            raise ValueError(
                f"TokenLinear: `num_tokens` must be >= 1. Received: num_tokens={num_tokens}."
            )
        self.num_tokens = num_tokens

    def build(self, input_shape: tf.TensorShape) -> None:
        self.kernel = self.add_weight(
            "kernel", shape=(input_shape[1], self.num_tokens), initializer="glorot_normal"
        )
        super().build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        # Not matmul(W, X): its gradient would make a W for every example before adding them up.
        return kernel_product("bmd,ml->bld", tokens, self.kernel)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tokens": self.num_tokens}
