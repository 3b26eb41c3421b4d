"""IPNN: an MLP that is given the inner products of the embeddings too."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.branches.composite import Composite
from models.branches.inner_product import InnerProduct
from models.embeddings.embedded import Embedded


@tf_keras.utils.register_keras_serializable(package="concord")
class IPNN(Composite):
    """An MLP on the concatenated embeddings x0 and the inner products of every two of them.

        h = MLP(x0 | p),   p = (<e_i, e_j> for i < j)

    Reference: Qu et al., Product-based Neural Networks, arXiv:1611.00144v1. Sizes: BARS' best run
    on Criteo_x4 (reczoo/BARS). What departs from the paper, see `InnerProduct`.

    Example:
        >>> fields = tf.zeros((2, 3, 4))
        >>> IPNN([6])(Embedded(fields, fields, {}, tf.zeros((2, 0)))).shape
        TensorShape([2, 6])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments:
        embedded: An `Embedded`.

    Returns:
        (batch, units[-1]).
    """

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000),
        activation: str = "relu",
        dropout: float = 0.2,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        self.parts = {"products": [InnerProduct(dtype=self.dtype_policy, name="products")]}

    def interact(self, embedded: Embedded, training: bool | None) -> tf.Tensor:
        p, _ = super().interact(embedded, training)
        return self.mlp(tf.concat([embedded.flat, p], axis=1), training=training)
