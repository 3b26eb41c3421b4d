"""DeepFM: a factorization machine and an MLP on the same embeddings."""

from collections.abc import Sequence

import tf_keras

from models.branches.composite import Composite
from models.branches.fm import FM
from models.branches.wide import Wide


@tf_keras.utils.register_keras_serializable(package="concord")
class DeepFM(Composite):
    """`Wide` and `FM` beside an MLP on the concatenated embeddings x0.

    The representation is y_lin | y_fm | MLP(x0). A linear head on it gives the paper's
    logit = y_lin + y_fm + w^T MLP(x0) + b, with weights of y_lin and y_fm as their scales.

    Reference: Guo et al., DeepFM, arXiv:1703.04247v1. Sizes: BARS' best run on Criteo_x4
    (reczoo/BARS).

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> DeepFM([6])(Embedded(fields, fields, {}, tf.zeros((2, 3)))).shape
        TensorShape([2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.

    Call arguments:
        embedded: An `Embedded` with first-order numbers.

    Returns:
        (batch, 2 + units[-1]).
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
        self.parts = {
            "wide": [Wide(dtype=self.dtype_policy, name="wide")],
            "fm": [FM(dtype=self.dtype_policy, name="fm")],
            "deep": [self.mlp],
        }
