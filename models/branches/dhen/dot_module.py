"""All pairs of tokens, compared by their inner product."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.inner_products import inner_products
from models.layers.to_tokens import ToTokens


@tf_keras.utils.register_keras_serializable(package="concord")
class DotModule(tf_keras.layers.Layer):
    """DLRM's pairwise inner products as an interaction module.

        P = (<x_i, x_j>)_{i<j},  u = reshape(W MLP(P) + b)

    References: Naumov et al., DLRM, arXiv:1906.00091v1; Zhang et al., DHEN, arXiv:2203.11014v1
    (AdvancedDLRM). Its sizes are not public: one hidden layer of 256 is ours.

    Example:
        >>> DotModule(2, units=[8])(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 2, 4])

    Args:
        num_tokens: l, tokens out.
        units: Hidden units of the MLP on the products.
        activation: Their activation.

    Call arguments:
        tokens: Float tensor (batch, m, width), m >= 2.

    Returns:
        (batch, num_tokens, width).
    """

    def __init__(
        self,
        num_tokens: int,
        units: Sequence[int] = (256,),
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_tokens, self.units, self.activation = num_tokens, tuple(units), activation

    def build(self, input_shape: tf.TensorShape) -> None:
        _, count, width = input_shape
        if count < 2:
            raise ValueError(
                f"{self.name}: pairs need at least 2 tokens. Received: tokens of shape "
                f"{tuple(input_shape)}. Give the model more inputs, or leave out its `dot` module."
            )
        self.out = ToTokens(
            self.num_tokens,
            width,
            self.units,
            self.activation,
            dtype=self.dtype_policy,
            name="out",
        )
        super().build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        return self.out(inner_products(tokens))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "units": list(self.units),
            "activation": self.activation,
        }
