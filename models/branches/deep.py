"""The deep branch: implicit feature crossing by an MLP over all fields."""

from collections.abc import Sequence
from typing import ClassVar

import tf_keras

from models.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class Deep(MLP):
    """An MLP over the concatenated embeddings of all fields, with MBCnet's sizes.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, section 4.1.3.

    Example:
        >>> import tensorflow as tf
        >>> Deep([8, 4])(tf.zeros((2, 3))).shape
        TensorShape([2, 4])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, units[-1]).
    """

    takes: ClassVar[str] = "flat"

    def __init__(
        self,
        units: Sequence[int] = (2048, 1024, 512, 512, 512),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
