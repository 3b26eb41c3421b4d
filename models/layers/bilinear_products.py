"""Products of two vectors under learned matrices, head by head."""

import math

import tensorflow as tf
import tf_keras

from models.layers.kernel_product import kernel_product


def bilinear_products(first: tf.Tensor, second: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """t_j = a_j^T W_j b_j, with both vectors split into k heads a_1..a_k and b_1..b_k.

    Args:
        first: (batch, k x d1).
        second: (batch, k x d2).
        kernel: W, (k, d1, d2).

    Returns:
        (batch, k).
    """
    num_heads = kernel.shape[0]
    heads_1, heads_2 = (
        tf.reshape(x, (-1, num_heads, x.shape[1] // num_heads)) for x in (first, second)
    )
    product = kernel_product("bkx,kxy->bky", heads_1, kernel)
    return tf.reduce_sum(product * heads_2, axis=2)


def check_bilinear_heads(name: str, num_heads: int, widths: tuple[int, int]) -> None:
    """Refuses heads that do not divide both vectors.

    Raises:
        ValueError: Says which numbers would.
    """
    if num_heads < 1 or any(width % num_heads for width in widths):
        raise ValueError(
            f"{name}: `num_heads` must be >= 1 and divide the last width of both MLPs, "
            f"{widths[0]} and {widths[1]}. Received: num_heads={num_heads}. "
            f"Up to {math.gcd(*widths)}, its divisors would do."
        )


def bilinear_initializer(d1: int, d2: int) -> tf_keras.initializers.Initializer:
    """Glorot normal head by head; Keras would count the axis of heads as a receptive field."""
    return tf_keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / (d1 + d2)))
