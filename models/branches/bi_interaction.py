"""Bi-interaction: all products of two fields, summed."""

import tensorflow as tf
import tf_keras

from models.branches.branch import ReducedBranch


def sum_of_products(field_embeddings: tf.Tensor) -> tf.Tensor:
    """sum_{i<j} e_i * e_j elementwise, in O(F d).

    (batch, num_fields, embedding_dim) -> (batch, embedding_dim)
    """
    total = tf.reduce_sum(field_embeddings, axis=1)  # (B, d)
    return 0.5 * (tf.square(total) - tf.reduce_sum(tf.square(field_embeddings), axis=1))


@tf_keras.utils.register_keras_serializable(package="concord")
class BiInteraction(ReducedBranch):
    """The pooling of neural factorization machines (NFM).

    With e_i the embedding of field i and * elementwise:

        v = sum_{i<j} e_i * e_j = 1/2 [(sum_i e_i)^2 - sum_i e_i^2]

    The order of the fields does not matter. NFM is y_lin and an MLP over v; FM, v's sum.

    Reference: He and Chua, Neural Factorization Machines, arXiv:1708.05027v1, section 3.1.
    Departs from it: no dropout and no batch normalisation on v, which NFM's MLP can have behind
    its first layer.

    Example:
        >>> BiInteraction()(tf.constant([[[1.0, 2.0], [3.0, 4.0], [1.0, 0.0]]])).numpy().tolist()
        [[7.0, 8.0]]

    Args:
        output_units: Width of a fully connected layer behind v; None leaves v.
        output_activation: Activation of that layer.

    Call arguments:
        field_embeddings: Float tensor (batch, num_fields, embedding_dim).

    Returns:
        (batch, output_units), or (batch, embedding_dim) without an output layer.
    """

    takes = "field_embeddings"

    def interact(self, field_embeddings: tf.Tensor, training: bool | None) -> tf.Tensor:
        return sum_of_products(field_embeddings)
