"""Concatenation fusion: the branches' representations side by side."""

import tensorflow as tf
import tf_keras

from models.embeddings.embedded import flatten
from models.fusion.fusion import Fusion


@tf_keras.utils.register_keras_serializable(package="concord")
class ConcatFusion(Fusion):
    """z = [z_1, ..., z_n]: whatever reads it weighs every branch's every dimension.

    Reference: CETNet, arXiv:2411.13700, section 4.3 (the rows of Table 3 with a simple
    concatenation), and section 4.5, where it was the more stable of the two at scale.

    Example:
        >>> ConcatFusion()(tf.zeros((2, 3, 8))).shape
        TensorShape([2, 24])

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits, gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        (batch, n x d), branch by branch.
    """

    def fuse(self, representations: tf.Tensor, training: bool | None) -> tf.Tensor:
        return flatten(representations)
