"""xDeepFM: a linear model, a compressed interaction network and an MLP."""

from collections.abc import Sequence
from typing import Any

import tf_keras

from models.branches.cin import CIN
from models.branches.composite import Composite
from models.branches.wide import Wide


@tf_keras.utils.register_keras_serializable(package="concord")
class XDeepFM(Composite):
    """`Wide` and `CIN` beside an MLP on the concatenated embeddings x0.

    The representation is y_lin | p^1..p^L | MLP(x0), with p^k the pooled maps of CIN's layer k,
    which are the intermediates. A linear head on it gives the paper's
    logit = y_lin + w_cin^T p + w^T MLP(x0) + b, with a weight of y_lin as its scale.

    Reference: Lian et al., xDeepFM, arXiv:1803.05170v3. Sizes: BARS' best run on Criteo_x4
    (reczoo/BARS).

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> XDeepFM([6], cin_units=[5, 2])(Embedded(fields, fields, {}, tf.zeros((2, 3)))).shape
        TensorShape([2, 14])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        cin_units, cin_split_half, cin_activation: As `units`, ... for `CIN`.

    Call arguments:
        embedded: An `Embedded` with first-order numbers.

    Returns:
        (batch, 1 + number of CIN's pooled maps + units[-1]).
    """

    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000, 1000, 1000, 1000),
        cin_units: Sequence[int] = (64, 64, 64),
        cin_split_half: bool = False,
        cin_activation: str = "linear",
        activation: str = "relu",
        dropout: float = 0.2,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        policy = self.dtype_policy
        self.cin = CIN(cin_units, cin_split_half, cin_activation, dtype=policy, name="cin")
        self.parts = {
            "wide": [Wide(dtype=policy, name="wide")],
            "cin": [self.cin],
            "deep": [self.mlp],
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cin_units": list(self.cin.units),
            "cin_split_half": self.cin.split_half,
            "cin_activation": self.cin.activation,
        }
