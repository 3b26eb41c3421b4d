"""Dice, DIN's activation, which adapts to the data."""

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="concord")
class Dice(tf_keras.layers.Layer):
    """A PReLU whose bend lies where the data are, and is smooth.

        p = sigmoid((x - E[x]) / sqrt(Var[x] + 1e-9))
        y = p x + (1 - p) alpha x                                                (Eq. 3)

    per unit, alpha learned from 0 on. E and Var are those of the global batch in training, whatever
    the number of replicas, and their moving averages (momentum 0.99) otherwise.

    Reference: Zhou et al., DIN, arXiv:1706.06978v4, section 5.3; momentum and epsilon after
    reczoo/FuxiCTR@0245987. Departs from both, and from DeepCTR: with a `mask`, the rows it leaves
    out do not count, so that padding changes nothing in training either. (A training batch in
    which no row counts draws the moving statistics towards 0 by one step of momentum.)

    Example:
        >>> Dice()(tf.constant([[200.0, -200.0]])).numpy().tolist()
        [[200.0, -0.0]]

    Call arguments:
        x: Float tensor (..., units).
        mask: Bool tensor (...), True where a row counts in the batch statistics; None is
            everywhere.

    Returns:
        A tensor like x.
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        self.norm = tf_keras.layers.BatchNormalization(
            center=False,
            scale=False,
            epsilon=1e-9,
            momentum=0.99,
            synchronized=True,
            dtype=self.dtype_policy,
            name="batch_norm",
        )
        self.alpha = self.add_weight("alpha", shape=(input_shape[-1],), initializer="zeros")
        super().build(input_shape)

    def call(
        self, x: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        p = tf.sigmoid(self.norm(x, training=training, mask=mask))
        alpha = tf.cast(self.alpha, x.dtype)
        return x * (p * (1.0 - alpha) + alpha)  # as above, with fewer passes over the batch
