"""Products of a batch with a kernel of more than two axes, or over another axis than the last."""

import math
import re

import tensorflow as tf

from models.layers.axis_length import axis_length


def kernel_product(equation: str, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """`tf.einsum(equation, x, kernel)`, whose gradients are right in bfloat16 on any CPU too.

    On a CPU without bfloat16 instructions `Einsum` adds up in bfloat16, where a sum stops growing
    at 256 times what is added (TensorFlow 2.21: of 300,000 ones 131,072 arrive), and the gradient
    of a kernel is a sum over all rows. `MatMul` adds up in float32 on any of them, so in bfloat16
    the product is written as one.

    Example:
        >>> kernel_product("bmd,ml->bld", tf.zeros((2, 5, 4)), tf.zeros((5, 3))).shape
        TensorShape([2, 3, 4])

    Args:
        equation: Of two factors. The first letter is the batch; letters of both factors that are
            not in the result are summed over.
        x: Float tensor (batch, ...), the sizes known that are summed over.
        kernel: A weight, which is cast to the type of x.

    Returns:
        A tensor of x's type.
    """
    kernel = tf.cast(kernel, x.dtype)
    if x.dtype != tf.bfloat16:
        return tf.einsum(equation, x, kernel)
    left, right, result = re.split(",|->", equation)
    sizes: dict[str, int | tf.Tensor] = dict(zip(right, kernel.shape, strict=True))
    sizes |= {letter: axis_length(x, axis) for axis, letter in enumerate(left)}
    sizes[left[0]] = -1
    shared = [letter for letter in left if letter in right and letter in result]
    summed = [letter for letter in left if letter in right and letter not in result]
    rows = [letter for letter in left if letter not in right]
    columns = [letter for letter in right if letter not in left]

    def moved(tensor: tf.Tensor, letters: str, order: list[str]) -> tf.Tensor:
        axes = [letters.index(letter) for letter in order]
        return tensor if axes == sorted(axes) else tf.transpose(tensor, axes)

    def shape(letters: list[str]) -> list[int | tf.Tensor]:
        return [sizes[letter] for letter in letters]

    width = math.prod(shape(summed))
    x = moved(x, left, shared + rows + summed)
    kernel = moved(kernel, right, shared + summed + columns)
    y = tf.matmul(
        tf.reshape(x, [*shape(shared), -1, width]),
        tf.reshape(kernel, [*shape(shared), width, -1]),
    )
    order = shared + rows + columns
    return moved(tf.reshape(y, shape(order)), "".join(order), list(result))
