"""Alignment by one MLP that all branches share."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.alignment.alignment import check_one_width
from models.alignment.mlp_alignment import MLPAlignment


@tf_keras.utils.register_keras_serializable(package="concord")
class SharedMLP(MLPAlignment):
    """One top MLP for all branches: one set of weights, called once per branch.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, Eq. 8 and section 4.1.3.

    Example:
        >>> SharedMLP([8])([tf.zeros((2, 3)), tf.zeros((2, 3))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments, returns, raises: As for `NoAlignment`.
    """

    def build(self, input_shape: Sequence[tf.TensorShape]) -> None:
        self.top = self.new_mlp("top")
        super().build(input_shape)

    def call(
        self,
        representations: Sequence[tf.Tensor],
        names: Sequence[str] = (),
        training: bool | None = None,
    ) -> tf.Tensor:
        check_one_width(self.name, representations, names)
        if training:  # batch statistics are those of one branch
            return tf.stack([self.top(each, training=True) for each in representations], axis=1)
        # Rows do not see each other: one product of n times as many instead of n small ones.
        tops = self.top(tf.concat(representations, axis=0), training=training)  # (n x B, d)
        return tf.stack(tf.split(tops, len(representations)), axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        return self.top
