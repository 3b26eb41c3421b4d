"""Wide & Deep: a linear model and an MLP."""

from collections.abc import Sequence

import tf_keras

from models.branches.composite import Composite
from models.branches.wide import Wide


@tf_keras.utils.register_keras_serializable(package="concord")
class WideAndDeep(Composite):
    """`Wide` beside an MLP on the concatenated embeddings x0.

    The representation is y_lin | MLP(x0). A linear head on it gives the paper's
    logit = y_lin + w^T MLP(x0) + b, with a weight of y_lin as its scale.

    Reference: Cheng et al., Wide & Deep, arXiv:1606.07792v1. Sizes: BARS' best run on Criteo_x4
    (reczoo/BARS). What departs from the paper, see `Wide`.

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> WideAndDeep([6])(Embedded(fields, fields, {}, tf.zeros((2, 3)))).shape
        TensorShape([2, 7])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments:
        embedded: An `Embedded` with first-order numbers.

    Returns:
        (batch, 1 + units[-1]).
    """

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000, 1000, 1000, 1000),
        activation: str = "relu",
        dropout: float = 0.2,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        self.parts = {"wide": [Wide(dtype=self.dtype_policy, name="wide")], "deep": [self.mlp]}
