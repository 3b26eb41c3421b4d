"""NFM: a linear model and an MLP on pooled products of embeddings."""

from collections.abc import Sequence
from typing import Any

import tf_keras

from models.branches.bi_interaction import BiInteraction
from models.branches.composite import Composite
from models.branches.wide import Wide


@tf_keras.utils.register_keras_serializable(package="concord")
class NFM(Composite):
    """`Wide` beside an MLP on top of `BiInteraction`.

    With v = sum_{i<j} e_i * e_j, the representation is y_lin | MLP(v). A linear head on it gives
    the paper's logit = y_lin + w^T MLP(v) + b, with a weight of y_lin as its scale. The order of
    the fields does not matter.

    Reference: He and Chua, Neural Factorization Machines, arXiv:1708.05027v1. Sizes: BARS' best
    run on Criteo_x4 (reczoo/BARS). What departs from the paper, see `BiInteraction`.

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> NFM([6])(Embedded(fields, fields, {}, tf.zeros((2, 3)))).shape
        TensorShape([2, 7])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        linear: Whether y_lin is there.

    Call arguments:
        embedded: An `Embedded`, with first-order numbers if `linear`.

    Returns:
        (batch, 1 + units[-1]), or (batch, units[-1]) without y_lin.
    """

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000, 1000),
        linear: bool = True,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        self.linear, policy = linear, self.dtype_policy
        wide = {"wide": [Wide(dtype=policy, name="wide")]} if linear else {}
        products = BiInteraction(dtype=policy, name="bi_interaction")
        self.parts = {**wide, "deep": [products, self.mlp]}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "linear": self.linear}
