"""Alignment by an MLP for each branch."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.alignment.mlp_alignment import MLPAlignment


@tf_keras.utils.register_keras_serializable(package="concord")
class MLPPerBranch(MLPAlignment):
    """A top MLP for each branch, all of the same units; the branches' widths may differ.

    Reference: D-MoE, arXiv:2505.17925v1: experts' outputs are aligned by an MLP with ReLU.

    Example:
        >>> MLPPerBranch([8])([tf.zeros((2, 3)), tf.zeros((2, 5))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments, returns: As for `NoAlignment`.
    """

    def build(self, input_shape: Sequence[tf.TensorShape]) -> None:
        self.tops = [self.new_mlp(f"top_{i}") for i in range(len(input_shape))]
        super().build(input_shape)

    def call(
        self,
        representations: Sequence[tf.Tensor],
        names: Sequence[str] = (),
        training: bool | None = None,
    ) -> tf.Tensor:
        aligned = [
            top(representation, training=training)
            for top, representation in zip(self.tops, representations, strict=True)
        ]
        return tf.stack(aligned, axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        return self.tops[position]
