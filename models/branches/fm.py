"""The factorization machine's second-order part."""

import tensorflow as tf
import tf_keras

from models.branches.bi_interaction import sum_of_products
from models.branches.branch import ReducedBranch


@tf_keras.utils.register_keras_serializable(package="concord")
class FM(ReducedBranch):
    """All inner products of two fields, summed.

    With e_i the embedding of field i, k over its columns:

        y_fm = sum_{i<j} <e_i, e_j> = 1/2 sum_k [(sum_i e_ik)^2 - sum_i e_ik^2]

    The first-order part is `Wide`. Rendle and DeepFM add y_lin, y_fm and a logit; here they stand
    side by side in a representation, and their weights in the network's head are their scales.
    With `output_units`, a fully connected layer spreads y_fm over a representation as wide as
    other branches' (MBCnet with an FM branch, appendix B.3). That the branch is this one number is
    a choice: the paper says "FM", and the pooled vector, `BiInteraction`, is the other reading.

    References: Rendle, Factorization Machines, ICDM 2010; Guo et al., DeepFM, arXiv:1703.04247v1,
    section 2.1; Chen et al., MBCnet, arXiv:2411.13057v2.

    Example:
        >>> FM()(tf.constant([[[1.0, 2.0], [3.0, 4.0], [1.0, 0.0]]])).numpy().tolist()
        [[15.0]]

    Args:
        output_units: Width of a fully connected layer behind y_fm; None leaves y_fm.
        output_activation: Activation of that layer.

    Call arguments:
        field_embeddings: Float tensor (batch, num_fields, embedding_dim).

    Returns:
        (batch, output_units), or (batch, 1) without an output layer.
    """

    takes = "field_embeddings"

    def interact(self, field_embeddings: tf.Tensor, training: bool | None) -> tf.Tensor:
        return tf.reduce_sum(sum_of_products(field_embeddings), axis=1, keepdims=True)  # (B, 1)
