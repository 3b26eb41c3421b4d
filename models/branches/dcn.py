"""DCN: a cross network beside an MLP."""

from collections.abc import Sequence
from typing import Any

import tf_keras

from models.branches.composite import Composite
from models.branches.cross import Cross


@tf_keras.utils.register_keras_serializable(package="concord")
class DCN(Composite):
    """`Cross` beside an MLP, both on the concatenated embeddings x0.

    The representation is x_L | MLP(x0), x_1..x_L the cross layers, which are the intermediates. A
    linear head on it gives the paper's logit.

    Reference: Wang et al., Deep & Cross Network, arXiv:1708.05123v1. Sizes: BARS' best run on
    Criteo_x4 (reczoo/BARS).

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> DCN([6])(Embedded(fields, fields, {}, tf.zeros((2, 0)))).shape
        TensorShape([2, 18])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        num_layers: L, the number of cross layers.

    Call arguments:
        embedded: An `Embedded`.

    Returns:
        (batch, D + units[-1]), with D = num_fields x embedding_dim.
    """

    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000, 1000, 1000, 1000),
        num_layers: int = 4,
        activation: str = "relu",
        dropout: float = 0.2,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        self.cross = Cross(num_layers, dtype=self.dtype_policy, name="cross")
        self.parts = {"cross": [self.cross], "deep": [self.mlp]}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_layers": self.cross.num_layers}
