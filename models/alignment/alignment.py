"""Alignment: brings the branches' representations into one space (batch, branches, d)."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class NoAlignment(tf_keras.layers.Layer):
    """Stacks representations that already have one width.

    Call arguments:
        representations: A list of n float tensors (batch, d_i).
        names: The branches' names, for the message of an error.

    Returns:
        (batch, n, d).

    Raises:
        ValueError: The widths differ where the layer needs one width.
    """

    def call(self, representations: Sequence[tf.Tensor], names: Sequence[str] = ()) -> tf.Tensor:
        _check_one_width(self.name, representations, names)
        if len(representations) == 1:  # no copy
            return tf.expand_dims(representations[0], axis=1)
        return tf.stack(representations, axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        """What aligns the branch at a position, where the others are not there: (B, d_i) -> (B, d).

        For a layer that was built.
        """
        return tf_keras.layers.Identity()


class _MLPAlignment(tf_keras.layers.Layer):
    """What the alignments by MLP have in common: the MLP's arguments."""

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm

    def _mlp(self, name: str) -> MLP:
        return MLP(
            self.units,
            self.activation,
            self.dropout,
            self.batch_norm,
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
        }


@tf_keras.utils.register_keras_serializable(package="concord")
class SharedMLP(_MLPAlignment):
    """One top MLP for all branches: one set of weights, called once per branch.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, Eq. 8 and section 4.1.3.

    Example:
        >>> SharedMLP([8])([tf.zeros((2, 3)), tf.zeros((2, 3))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments, returns, raises: As for `NoAlignment`.
    """

    def build(self, input_shape) -> None:
        self.top = self._mlp("top")
        super().build(input_shape)

    def call(
        self,
        representations: Sequence[tf.Tensor],
        names: Sequence[str] = (),
        training: bool | None = None,
    ) -> tf.Tensor:
        _check_one_width(self.name, representations, names)
        if training:  # batch statistics are those of one branch
            return tf.stack([self.top(each, training=True) for each in representations], axis=1)
        # Rows do not see each other: one product of n times as many instead of n small ones.
        tops = self.top(tf.concat(representations, axis=0), training=training)  # (n x B, d)
        return tf.stack(tf.split(tops, len(representations)), axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        """As `NoAlignment.alone`."""
        return self.top


@tf_keras.utils.register_keras_serializable(package="concord")
class MLPPerBranch(_MLPAlignment):
    """A top MLP for each branch, all of the same units; the branches' widths may differ.

    Reference: D-MoE, arXiv:2505.17925v1: experts' outputs are aligned by an MLP with ReLU.

    Example:
        >>> MLPPerBranch([8])([tf.zeros((2, 3)), tf.zeros((2, 5))]).shape
        TensorShape([2, 2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments, returns: As for `NoAlignment`.
    """

    def build(self, input_shape) -> None:
        self.tops = [self._mlp(f"top_{i}") for i in range(len(input_shape))]
        super().build(input_shape)

    def call(
        self,
        representations: Sequence[tf.Tensor],
        names: Sequence[str] = (),
        training: bool | None = None,
    ) -> tf.Tensor:
        aligned = [
            top(each, training=training)
            for top, each in zip(self.tops, representations, strict=True)
        ]
        return tf.stack(aligned, axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        """As `NoAlignment.alone`."""
        return self.tops[position]


def _check_one_width(
    layer: str, representations: Sequence[tf.Tensor], names: Sequence[str]
) -> None:
    widths = [each.shape[-1] for each in representations]
    if len(set(widths)) > 1:
        known = names or [f"branch {i}" for i in range(len(widths))]
        received = ", ".join(f"{name} {width}" for name, width in zip(known, widths, strict=True))
        raise ValueError(
            f"{layer}: all branches must deliver the same width. Received: {received}. Set the "
            "branches' output units (`output_units`, or the last of `units`) to one width, or "
            "align them by an MLP per branch."
        )
