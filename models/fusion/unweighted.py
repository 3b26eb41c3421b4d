"""Fusions without weights: mean, sum and concatenation count every branch alike."""

import tensorflow as tf
import tf_keras

from models.embeddings.embedded import flatten
from models.fusion.fusion import Fusion


class EqualFusion(Fusion):
    """A mean or a sum over the branches.

    A subclass defines `weight_of_each(num_branches)`. The weights stand in no equation: they are
    for whoever shows them beside those of a `WeightedFusion`.
    """

    num_branches: int | None = None

    def build(self, input_shape: tf.TensorShape) -> None:
        self.num_branches = input_shape[1]
        super().build(input_shape)

    def weight_of_each(self, num_branches: int) -> float:
        """The factor of every branch."""
        raise NotImplementedError

    def fusion_weights(
        self,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = False,
    ) -> tf.Tensor:
        """The branches' weights (1, n), float32: the same for every example.

        Args:
            logits: Not used; see `Fusion.fusion_weights`.
            gate_input: Not used.
            training: Not used.

        Raises:
            ValueError: The fusion has not been called yet, so it does not know n.
        """
        if self.num_branches is None:
            raise ValueError(
                f"{self.name}: the number of branches is not known yet. Call the fusion on their "
                "representations once."
            )
        return tf.fill((1, self.num_branches), self.weight_of_each(self.num_branches))


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

    concatenates = True

    def fuse(self, representations: tf.Tensor, training: bool | None) -> tf.Tensor:
        return flatten(representations)
