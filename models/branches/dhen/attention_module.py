"""A transformer encoder layer as an interaction module."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP
from models.layers.self_attention import SelfAttention
from models.layers.token_linear import TokenLinear


@tf_keras.utils.register_keras_serializable(package="concord")
class AttentionModule(tf_keras.layers.Layer):
    """Self-attention between tokens, then a recombination of the tokens.

        H = LN(X + MHA(X)),  H' = LN(H + W_2 g(W_1 H + b_1) + b_2),  u = W H'

    Normalised after each residual, as in the original encoder layer; the hidden layer is
    `expansion` times as wide as a token. Tokens have no order: there are no positions.

    References: Vaswani et al., arXiv:1706.03762v7, section 3.1; Zhang et al., DHEN,
    arXiv:2203.11014v1, the self-attention module.

    Example:
        >>> AttentionModule(2, num_heads=2)(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 2, 4])

    Args:
        num_tokens: Tokens out.
        num_heads: Heads; must divide the width.
        expansion: Width of the hidden layer / width of a token.
        activation: g, name of a Keras activation.

    Call arguments:
        tokens: Float tensor (batch, m, width).

    Returns:
        (batch, num_tokens, width).
    """

    def __init__(
        self,
        num_tokens: int,
        num_heads: int = 2,
        expansion: int = 4,
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if expansion < 1:
            raise ValueError(
                f"AttentionModule: `expansion` must be >= 1. Received: expansion={expansion}."
            )
        self.num_tokens, self.num_heads = num_tokens, num_heads
        self.expansion, self.activation = expansion, activation
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, dtype=policy, name="attention")
        self.norms = [
            tf_keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name=f"norm_{i}")
            for i in range(2)
        ]
        self.out = TokenLinear(num_tokens, dtype=policy, name="out")

    def build(self, input_shape: tf.TensorShape) -> None:
        width, policy = input_shape[-1], self.dtype_policy
        self.hidden = MLP([self.expansion * width], self.activation, dtype=policy, name="hidden")
        self.linear = Dense(width, dtype=policy, name="linear")
        super().build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        h = self.norms[0](tokens + self.attention(tokens))
        return self.out(self.norms[1](h + self.linear(self.hidden(h))))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "num_heads": self.num_heads,
            "expansion": self.expansion,
            "activation": self.activation,
        }
