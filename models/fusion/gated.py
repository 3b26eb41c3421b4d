"""Gated fusion: a gate with embeddings of its own says how much each branch counts."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.fusion.weighted import Combine, WeightedFusion
from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class GatedFusion(WeightedFusion):
    """A mixture of experts, the branches being the experts.

    With x the flat field embeddings of the gate's own embedding set, and o_m the representation of
    branch m:

        g = softmax(W MLP(x) + b)          (Eq. 9)
        h = sum_m g_m o_m                  (Eq. 10)

    The gate has tables apart from the branches' so that it favours none of them.

    Reference: D-MoE, arXiv:2505.17925v1, sections 3.3 and 4.1.3.
    The paper's gate is an MLP with ReLU "with 64 hidden dimensions": read here as one hidden layer
    of 64 with a ReLU, then a linear one to the branches, as a ReLU in front of the softmax would
    stop the gradient of every score below 0. "GE(x) in R^d", what the gate reads, is taken as its
    embedding set laid flat, num_fields x d; pooled to d is the other reading. In the paper's plain
    MoE (section 2.2.3) the gate reads x; the presets on shared tables give it a set of its own too.
    `combine="concat"` is not in the paper.

    Example:
        >>> GatedFusion()(tf.zeros((2, 3, 8)), gate_input=tf.zeros((2, 20))).shape
        TensorShape([2, 8])

    Args:
        units: Hidden units of the gate; none at all makes it linear, as MMoE's.
        activation, dropout, batch_norm: As for `MLP`, of the hidden layers.
        combine: `sum` gives (batch, d), `concat` (batch, n x d).

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits: Not used; see `Fusion` for the call that all fusions share.
        gate_input: The flat field embeddings (batch, D) of the embedding set that the gate reads.

    Returns:
        (batch, d) or (batch, n x d).
    """

    takes = ("gate_input",)

    def __init__(
        self,
        units: Sequence[int] = (64,),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        combine: Combine = "sum",
        **kwargs,
    ):
        super().__init__(combine, **kwargs)
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm
        self.hidden: MLP | None = None
        self.gate: Dense | None = None
        if self.units:
            self.hidden = MLP(
                self.units, activation, dropout, batch_norm, dtype=self.dtype_policy, name="hidden"
            )

    def build(self, input_shape: tf.TensorShape) -> None:
        # float32 as every logit: a softmax of bfloat16 scores moves in steps.
        self.gate = Dense(input_shape[1], dtype="float32", name="gate")
        super().build(input_shape)

    def scores(self, training: bool | None, gate_input: tf.Tensor) -> tf.Tensor:
        if self.gate is None:
            raise ValueError(
                f"{self.name}: the gate has no weights yet, as it has not been told the number of "
                "branches. Call the fusion on their representations once."
            )
        x = gate_input if self.hidden is None else self.hidden(gate_input, training=training)
        return self.gate(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }
