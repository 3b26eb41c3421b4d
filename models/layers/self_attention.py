"""Multi-head self-attention with a key-padding mask and rotary positions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.layers.kernel_product import kernel_product


@tf_keras.utils.register_keras_serializable(package="concord")
class SelfAttention(tf_keras.layers.Layer):
    """Every token looks at every valid token; positions, if given, turn queries and keys.

    Per head, of width e = width / num_heads, with R_t the rotation by position t of the pairs
    (i, i + e // 2) of dimensions, with angle t 10000^(-i / (e // 2)):

        a_{st} = softmax_t(<R_s W_q x_s, R_t W_k x_t> / sqrt(e))
        y_s = W_o sum_t a_{st} W_v x_t + b

    so that scores depend on how far apart tokens are, not on where they are. The last dimension of
    an odd e is not rotated. No bias before the softmax: a bias of the keys cancels in it.
    The softmax is float32. An example without any valid token gets y = b.

    Not `tf_keras.layers.MultiHeadAttention`, which has no place for a rotation between its
    projections and its scores, and takes the softmax in the compute dtype.

    References: Vaswani et al., arXiv:1706.03762; Su et al., RoFormer, arXiv:2104.09864v5,
    section 3.2.2, there with pairs of neighbours: the same up to the order of the columns of W.

    Example:
        >>> SelfAttention(2, positions=range(5))(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 5, 4])

    Args:
        num_heads: Heads; must divide the width.
        positions: Position of each token; None leaves attention blind to the order.

    Call arguments:
        tokens: Float tensor (batch, length, width).
        mask: Bool (batch, length), True where a token may be looked at; None is everywhere.
        kept: int32 (length,), the places among `positions` of the tokens that are there, where
            others were cut off; None where all are there.

    Returns:
        (batch, length, width).
    """

    def __init__(self, num_heads: int = 2, positions: Sequence[int] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = check_heads(type(self).__name__, num_heads)
        self.positions = None if positions is None else tuple(int(each) for each in positions)

    def build(self, input_shape: tf.TensorShape) -> None:
        _, length, width = input_shape
        if self.positions is not None and len(self.positions) != length:
            raise ValueError(
                f"{self.name}: expected one position per token. Received: {len(self.positions)} "
                f"positions for tokens of shape {tuple(input_shape)}."
            )
        heads = (self.num_heads, divide_heads(self.name, width, self.num_heads))
        self.kernel_qkv = self.add_weight(
            "kernel_qkv", shape=(width, 3, *heads), initializer=glorot_square(width)
        )
        self.kernel_out = self.add_weight(
            "kernel_out", shape=(*heads, width), initializer=glorot_square(width)
        )
        self.bias = self.add_weight("bias", shape=(width,), initializer="zeros")
        super().build(input_shape)

    def call(
        self,
        tokens: tf.Tensor,
        mask: tf.Tensor | None = None,
        kept: tf.Tensor | None = None,
    ) -> tf.Tensor:
        qkv = kernel_product("btd,dshe->sbhte", tokens, self.kernel_qkv)  # (3, B, heads, T, e)
        # Split and unstacked, not sliced: the gradient of a slice is a tensor of mostly zeros.
        queries_and_keys, values = tf.split(qkv, [2, 1])
        if self.positions is not None:
            queries_and_keys = rotate(queries_and_keys, self.positions, kept)
        queries, keys = tf.unstack(queries_and_keys)
        heads = attend(queries, keys, values[0], mask)
        y = kernel_product("bhte,hed->btd", heads, self.kernel_out)
        return y + tf.cast(self.bias, y.dtype)

    def get_config(self) -> dict[str, Any]:
        positions = None if self.positions is None else list(self.positions)
        return {**super().get_config(), "num_heads": self.num_heads, "positions": positions}


def glorot_square(width: int) -> tf_keras.initializers.Initializer:
    """Glorot normal for (width, width) matrices; Keras would take split axes for something else."""
    return tf_keras.initializers.RandomNormal(stddev=width**-0.5)


def check_heads(name: str, num_heads: int) -> int:
    if num_heads < 1:
        raise ValueError(f"{name}: `num_heads` must be >= 1. Received: num_heads={num_heads}.")
    return num_heads


def divide_heads(name: str, width: int, num_heads: int) -> int:
    """The width of a head."""
    if width % num_heads:
        raise ValueError(
            f"{name}: `num_heads` must divide the width of the tokens. Received: "
            f"num_heads={num_heads} and width {width}. Change `num_heads` or the embedding width."
        )
    return width // num_heads


def rotate(x: tf.Tensor, positions: Sequence[int], kept: tf.Tensor | None = None) -> tf.Tensor:
    """Rotary position embedding of x (..., length, e); of these `positions`, or the `kept` ones."""
    half = x.shape[-1] // 2
    angles = np.outer(positions, 10000.0 ** (-np.arange(half) / max(half, 1)))  # (T, e/2)
    cos, sin = tf.constant(np.cos(angles), x.dtype), tf.constant(np.sin(angles), x.dtype)
    if kept is not None:
        cos, sin = tf.gather(cos, kept), tf.gather(sin, kept)
    first, second, rest = tf.split(x, [half, half, x.shape[-1] - 2 * half], axis=-1)
    return tf.concat([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    mask: tf.Tensor | None,
    scale: bool = True,
) -> tf.Tensor:
    """Values averaged by softmax(query key^T / sqrt(e)) over the valid keys; 0 where none is.

    Args:
        query: (batch or 1, heads, num_queries, e).
        key: (batch, heads, length, e).
        value: (batch, heads, length, e).
        mask: Bool (batch, length), or None.
        scale: Whether scores are divided by sqrt(e).
    """
    if scale:
        query *= query.shape[-1] ** -0.5
    scores = tf.matmul(query, key, transpose_b=True)
    scores = tf.cast(scores, tf.float32)  # (B, heads, Q, T)
    if mask is None:
        return tf.matmul(tf.cast(tf.nn.softmax(scores), value.dtype), value)
    valid = mask[:, tf.newaxis, tf.newaxis, :]
    # Added, not chosen by `tf.where`, whose gradient would be one more tensor of their size.
    weights = tf.cast(tf.nn.softmax(scores + tf.where(valid, 0.0, -1e30)), value.dtype)
    some = tf.reduce_any(valid, axis=-1, keepdims=True)  # without, weights are those of padding
    return tf.matmul(weights, value) * tf.cast(some, value.dtype)
