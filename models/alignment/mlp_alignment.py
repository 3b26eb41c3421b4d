"""Alignments by MLPs: one that all branches share, or one for each branch."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.alignment.alignment import Alignment, check_one_width
from models.layers.mlp import MLP


class MLPAlignment(Alignment):
    """An alignment by MLPs, all of the same settings.

    Args:
        units: Widths of the layers of an MLP.
        activation: Activation of each layer, by its Keras name.
        dropout: Share of the units that training drops behind each layer.
        batch_norm: Whether each layer is normalised over the batch.
        last_activation: Activation of the last layer, such as `linear`; None is that of all.
    """

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        last_activation: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm
        self.last_activation = last_activation

    def new_mlp(self, name: str) -> MLP:
        """An MLP of these settings."""
        return MLP(
            self.units,
            self.activation,
            self.dropout,
            self.batch_norm,
            self.last_activation,
            dtype=self.dtype_policy,
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
            "last_activation": self.last_activation,
        }


@tf_keras.utils.register_keras_serializable(package="concord")
class SharedMLP(MLPAlignment):
    """One top MLP for all branches: one set of weights, called once per branch.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, Eq. 8 and section 4.1.3. The activation
    behind the last layer too is a choice of ours, the paper shows none; with a ReLU there units can
    die for all rows.

    Example:
        >>> SharedMLP([8])([tf.zeros((2, 3)), tf.zeros((2, 3))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm, last_activation: As for `MLP`.

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


@tf_keras.utils.register_keras_serializable(package="concord")
class MLPPerBranch(MLPAlignment):
    """A top MLP for each branch, all of the same units; the branches' widths may differ.

    Reference: D-MoE, arXiv:2505.17925v1: experts' outputs are aligned by an MLP with ReLU.

    Example:
        >>> MLPPerBranch([8])([tf.zeros((2, 3)), tf.zeros((2, 5))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm, last_activation: As for `MLP`.

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
