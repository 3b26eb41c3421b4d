"""DHEN: layers of unlike interaction modules."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details
from models.branches.dhen.dhen_layer import DHENLayer, Ensemble, Module
from models.embeddings.embedded import flatten
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class DHEN(Branch):
    """A deep and hierarchical ensemble: N `DHENLayer`s, then an MLP over all their tokens.

        X_{n+1} = LN(Ensemble_i(Interaction_i(X_n)) + ShortCut(X_n)),  h = MLP(flatten(X_N))

    Reference: Zhang et al., DHEN, arXiv:2203.11014v1; modules as in the benchmarks of InterFormer,
    arXiv:2411.09852v4, App. B.2, and CETNet, arXiv:2411.13700. Sizes are ours: the paper's are
    not public. Decided where it is open: see `CrossModule` and `DHENLayer`; dropout is in the MLP.

    Example:
        >>> DHEN(units=[8])(tf.zeros((2, 5, 4))).shape
        TensorShape([2, 8])

    Args:
        num_layers: N, number of layers.
        modules, ensemble, tokens_per_module, dot_units, rank, cross_layers, num_heads: See
            `DHENLayer`; all layers alike.
        units: Hidden units of the MLP, the last its width.
        activation: Activation of all hidden units, those of the modules too.
        dropout: Share of the MLP's outputs that training sets to 0.

    Call arguments:
        tokens: Float tensor (batch, m, width), width >= 2.

    Returns:
        (batch, units[-1]); its intermediates are X_1, ..., X_N, flat.
    """

    takes = "field_embeddings"
    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 2,
        modules: Sequence[Module] = ("dot", "cross"),
        ensemble: Ensemble = "concat",
        tokens_per_module: int | None = None,
        dot_units: Sequence[int] = (256,),
        rank: int = 32,
        cross_layers: int = 1,
        num_heads: int = 2,
        units: Sequence[int] = (512, 256, 128),
        activation: str = "swish",
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_layers < 1:
            raise ValueError(f"DHEN: `num_layers` must be >= 1. Received: num_layers={num_layers}.")
        self.num_layers = num_layers
        self.stack = [
            DHENLayer(
                modules,
                ensemble,
                tokens_per_module,
                dot_units,
                rank,
                cross_layers,
                num_heads,
                activation,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.head = MLP(units, activation, dropout, dtype=self.dtype_policy, name="head")

    def interact(self, tokens: tf.Tensor, training: bool | None) -> tuple[tf.Tensor, Details]:
        x, outputs = tokens, []
        for layer in self.stack:
            x = layer(x)
            outputs.append(flatten(x))
        return self.head(outputs[-1], training=training), Details(tuple(outputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            **self.stack[0].options(),
            "units": list(self.head.units),
            "dropout": self.head.dropout,
        }
