"""From a vector back to tokens."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class ToTokens(tf_keras.layers.Layer):
    """Turns what is one vector per example into tokens: u = reshape(W MLP(v) + b).

    Reference: Zhang et al., DHEN, arXiv:2203.11014v1: the W_m of modules that do not give tokens
    by themselves.

    Example:
        >>> ToTokens(2, width=4, units=[8])(tf.zeros((1, 5))).shape
        TensorShape([1, 2, 4])

    Args:
        num_tokens: l, tokens out.
        width: Width of a token.
        units: Hidden units before the linear map; none leaves the linear map alone.
        activation: Activation of the hidden units.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, num_tokens, width).
    """

    def __init__(
        self,
        num_tokens: int,
        width: int,
        units: Sequence[int] = (),
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_tokens, width) < 1:
            raise ValueError(
                "ToTokens: `num_tokens` and `width` must be >= 1. "
                f"Received: num_tokens={num_tokens}, width={width}."
            )
        self.num_tokens, self.width = num_tokens, width
        self.units, self.activation = tuple(units), activation
        policy = self.dtype_policy
        self.mlp = MLP(self.units, activation, dtype=policy, name="mlp") if self.units else None
        self.linear = Dense(num_tokens * width, dtype=policy, name="linear")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        h = x if self.mlp is None else self.mlp(x)
        return tf.reshape(self.linear(h), (-1, self.num_tokens, self.width))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "width": self.width,
            "units": list(self.units),
            "activation": self.activation,
        }
