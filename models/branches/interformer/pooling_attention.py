"""Pooling of a history by attention of learnt queries."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.kernel_product import kernel_product
from models.layers.self_attention import attend, check_heads, divide_heads, glorot_square


@tf_keras.utils.register_keras_serializable(package="concord")
class PoolingAttention(tf_keras.layers.Layer):
    """Pooling by multi-head attention (PMA): p learnt seeds each look at all valid events.

    Per head, of width e = width / num_heads, with seeds Q in R^{p x width}:

        a_{jt} = softmax_t(<W_q q_j, W_k s_t> / sqrt(e)),  y_j = W_o sum_t a_{jt} W_v s_t

    The order of the events does not matter: rotary positions belong to the attention between
    events, which comes before. No biases, so that an empty history gives exactly 0.

    Reference: Lee et al., Set Transformer, arXiv:1810.00825v3, section 3.2, without the residual
    and the feed-forward layer around it, as in InterFormer, arXiv:2411.09852v4.

    Example:
        >>> PoolingAttention(2, num_heads=2)(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 2, 4])

    Args:
        num_seeds: p, tokens out.
        num_heads: Heads; must divide the width.

    Call arguments:
        events: Float tensor (batch, length, width).
        mask: Bool (batch, length), True where there is an event; None is everywhere.

    Returns:
        (batch, num_seeds, width).
    """

    def __init__(self, num_seeds: int = 2, num_heads: int = 2, **kwargs):
        super().__init__(**kwargs)
        if num_seeds < 1:
            raise ValueError(
                f"PoolingAttention: `num_seeds` must be >= 1. Received: num_seeds={num_seeds}."
            )
        self.num_seeds, self.num_heads = num_seeds, check_heads(type(self).__name__, num_heads)

    def build(self, input_shape: tf.TensorShape) -> None:
        width = input_shape[-1]
        heads = (self.num_heads, divide_heads(self.name, width, self.num_heads))
        self.seeds = self.add_weight(
            "seeds", shape=(self.num_seeds, width), initializer="glorot_normal"
        )
        self.kernel_q = self.add_weight(
            "kernel_q", shape=(width, *heads), initializer=glorot_square(width)
        )
        self.kernel_kv = self.add_weight(
            "kernel_kv", shape=(width, 2, *heads), initializer=glorot_square(width)
        )
        self.kernel_out = self.add_weight(
            "kernel_out", shape=(*heads, width), initializer=glorot_square(width)
        )
        super().build(input_shape)

    def call(self, events: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        seeds, kernel_q = (tf.cast(each, events.dtype) for each in (self.seeds, self.kernel_q))
        query = tf.einsum("pd,dhe->hpe", seeds, kernel_q)[tf.newaxis]  # (1, heads, p, e)
        kv = kernel_product("btd,dshe->sbhte", events, self.kernel_kv)  # (2, B, heads, T, e)
        key, value = tf.unstack(kv)
        heads = attend(query, key, value, mask)
        return kernel_product("bhpe,hed->bpd", heads, self.kernel_out)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_seeds": self.num_seeds,
            "num_heads": self.num_heads,
        }
