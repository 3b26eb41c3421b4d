"""MMOE+: a mixture-of-experts encoder with the gate of one task."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch
from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class MMoE(Branch):
    """Experts that all read the same input, mixed example by example, then a tower.

    With E_1..E_K the experts, each an MLP, on x of width D:

        g = softmax(W x)                  W of shape (K, D), no bias
        h = tower(sum_i g_i E_i(x))

    This is multi-gate mixture-of-experts with a single task and so a single gate, the baseline
    that MBCnet calls MMOE+. Every expert is an `MLP` of its own: on a CPU one wide matmul for the
    experts' first layers and a batched one for the rest were no faster (65 ms to 62 ms a step,
    batch 4,096, D = 624).

    References: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD 2018; Chen et al., MBCnet, arXiv:2411.13057v2, section 4.1.2.
    Sizes: 3 experts of [256, 128] as in shenweichen/DeepCTR; the tower ends in 128, the width
    that MBCnet gives the last layer of every baseline (section 4.1.3), where DeepCTR's has 64.

    Example:
        >>> MMoE(2, expert_units=[8, 4], tower_units=[3])(tf.zeros((5, 6))).shape
        TensorShape([5, 3])

    Args:
        num_experts: K, number of experts.
        expert_units: Width of each layer of an expert.
        tower_units: Width of each layer of the tower; none leaves the mixture.
        activation, dropout, batch_norm: As for `MLP`, of the experts and the tower.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, tower_units[-1]), or (batch, expert_units[-1]) without a tower.
    """

    def __init__(
        self,
        num_experts: int = 3,
        expert_units: Sequence[int] = (256, 128),
        tower_units: Sequence[int] = (128,),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_experts < 1:
            raise ValueError(
                "MMoE: `num_experts` must be >= 1, and is useful from 2 on. "
                f"Received: num_experts={num_experts}."
            )
        self.num_experts = int(num_experts)
        self.expert_units, self.tower_units = tuple(expert_units), tuple(tower_units)
        self.activation, self.dropout, self.batch_norm = activation, dropout, batch_norm

        def mlp(units: Sequence[int], name: str) -> MLP:
            return MLP(units, activation, dropout, batch_norm, dtype=self.dtype_policy, name=name)

        self.experts = [mlp(self.expert_units, f"expert_{i}") for i in range(self.num_experts)]
        self.tower = mlp(self.tower_units, "tower") if self.tower_units else None
        self.gate = Dense(
            self.num_experts,
            use_bias=False,
            dtype=self.dtype_policy,
            name="gate",
        )

    def interact(self, x: tf.Tensor, training: bool | None) -> tf.Tensor:
        gate = tf.nn.softmax(self.gate(x), axis=1)  # (B, K)
        experts = tf.stack([each(x, training=training) for each in self.experts], axis=1)
        h = tf.reduce_sum(gate[:, :, tf.newaxis] * experts, axis=1)  # (B, expert_units[-1])
        return h if self.tower is None else self.tower(h, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_experts": self.num_experts,
            "expert_units": list(self.expert_units),
            "tower_units": list(self.tower_units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }
