"""The deep branch: implicit feature crossing by an MLP over all fields."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class Deep(Branch):
    """An MLP over the concatenated embeddings of all fields, with MBCnet's sizes.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, section 4.1.3.

    Example:
        >>> Deep([8, 4])(tf.zeros((2, 3))).shape
        TensorShape([2, 4])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, units[-1]).
    """

    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (2048, 1024, 512, 512, 512),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.mlp = MLP(units, activation, dropout, batch_norm, dtype=self.dtype_policy, name="mlp")

    def interact(self, x: tf.Tensor, training: bool | None) -> tuple[tf.Tensor, Details]:
        hidden = self.mlp(x, training=training, return_hidden=True)
        return hidden[-1], Details(tuple(hidden))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.mlp.options()}
