"""The one linear layer with a bias of every branch and top."""

from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="concord")
class Dense(tf_keras.layers.Dense):
    """y = x W + b, as `tf_keras.layers.Dense`, whose bias also learns in bfloat16.

    The gradient of b is the sum of y's over all rows. Keras' layer adds b by `BiasAdd`, whose
    gradient adds the rows up in a bfloat16 number on a CPU (TensorFlow 2.21): with 8 bits such a
    number stops growing at 256 times what is added, so that of 10,000 rows a twentieth to a half
    arrives. The gradient of a plain addition is `Sum`, which adds up in float32 and rounds once.
    Under XLA, where both add up in float32, and on a GPU nothing changes, and in float32 this layer
    is Keras' to the last bit.

    Example:
        >>> Dense(2)(tf.zeros((5, 3))).shape
        TensorShape([5, 2])

    Args:
        units: Width of y.
        use_bias: Whether there is b.
        **kwargs: Other arguments of `tf_keras.layers.Dense`. W is Glorot normal by default
            (`docs/model_equations.md` section 0, after reczoo/FuxiCTR@0245987).

    Call arguments:
        inputs: Float tensor (..., width).

    Returns:
        (..., units), in the layer's compute dtype.
    """

    def __init__(self, units: int, use_bias: bool = True, **kwargs: Any):
        given = {"kernel_initializer": "glorot_normal", **kwargs}
        super().__init__(units, use_bias=use_bias, **given)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if not self.use_bias or self.compute_dtype != "bfloat16":
            return super().call(inputs)
        x = tf.cast(inputs, self.compute_dtype)
        if x.shape.rank == 2:
            y = tf.matmul(x, self.kernel) + self.bias
        else:
            y = tf.tensordot(x, self.kernel, 1) + self.bias
            y = tf.ensure_shape(y, (*x.shape[:-1], self.units))
        return y if self.activation is None else self.activation(y)
