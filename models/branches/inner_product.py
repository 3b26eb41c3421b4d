"""The inner product of every two fields."""

import tensorflow as tf
import tf_keras

from models.branches.branch import ReducedBranch
from models.layers.inner_products import inner_products


@tf_keras.utils.register_keras_serializable(package="concord")
class InnerProduct(ReducedBranch):
    """The product layer of inner-product-based neural networks (IPNN), and DLRM's "DOT".

    With e_i the embedding of field i:

        p = (<e_1, e_2>, <e_1, e_3>, ..., <e_{F-1}, e_F>)

    IPNN is an MLP over the flat field embeddings and p. p's sum is FM's y_fm.

    References: Qu et al., Product-based Neural Networks, arXiv:1611.00144v1, section 3.2 (as
    reczoo/FuxiCTR@0245987 and DeepCTR compute it: every product by itself, where the paper sums
    them with learnt weights that factorise); Naumov et al., DLRM, arXiv:1906.00091v1.

    Example:
        >>> InnerProduct()(tf.constant([[[1.0, 2.0], [3.0, 4.0], [1.0, 0.0]]])).numpy().tolist()
        [[11.0, 1.0, 3.0]]

    Args:
        output_units: Width of a fully connected layer behind p; None leaves p.
        output_activation: Activation of that layer.

    Call arguments:
        field_embeddings: Float tensor (batch, num_fields >= 2, embedding_dim).

    Returns:
        (batch, output_units), or (batch, F (F - 1) / 2) without an output layer.
    """

    takes = "field_embeddings"

    def build(self, input_shape: tf.TensorShape) -> None:
        if len(input_shape) != 3 or input_shape[1] < 2:
            raise ValueError(
                f"{self.name}: expected field embeddings (batch, num_fields >= 2, embedding_dim), "
                f"of which it multiplies every two. Received: {tuple(input_shape)}."
            )
        super().build(input_shape)

    def interact(self, field_embeddings: tf.Tensor, training: bool | None) -> tf.Tensor:
        return inner_products(field_embeddings)
