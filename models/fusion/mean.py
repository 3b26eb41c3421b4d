"""Mean fusion: the average of the branches' representations."""

import tensorflow as tf
import tf_keras

from models.fusion.equal import EqualFusion


@tf_keras.utils.register_keras_serializable(package="concord")
class MeanFusion(EqualFusion):
    """z = mean_i z_i.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, Eq. 15.

    Example:
        >>> MeanFusion()(tf.zeros((2, 3, 8))).shape
        TensorShape([2, 8])

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits, gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        (batch, d).
    """

    def fuse(self, representations: tf.Tensor, training: bool | None) -> tf.Tensor:
        if representations.shape[1] == 1:  # no copy
            return tf.squeeze(representations, axis=1)
        return tf.reduce_mean(representations, axis=1)

    def weight_of_each(self, num_branches: int) -> float:
        return 1.0 / num_branches
