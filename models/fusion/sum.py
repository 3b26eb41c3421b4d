"""Sum fusion: the branches' representations added up."""

import tensorflow as tf
import tf_keras

from models.fusion.equal import EqualFusion


@tf_keras.utils.register_keras_serializable(package="concord")
class SumFusion(EqualFusion):
    """z = sum_i z_i.

    The mean, n times as large. A linear head learns either; what differs is how large a fused
    logit and its gradients start.

    Reference: CETNet, arXiv:2411.13700, section 4.4.2, without the weights by confidence.

    Example:
        >>> SumFusion()(tf.ones((1, 3, 2))).numpy()
        array([[3., 3.]], dtype=float32)

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits, gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        (batch, d).
    """

    def fuse(self, representations: tf.Tensor, training: bool | None) -> tf.Tensor:
        return tf.reduce_sum(representations, axis=1)

    def weight_of_each(self, num_branches: int) -> float:
        return 1.0
