"""InterFormer's Interaction Arch: non-sequence tokens meet the summary of the histories."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.branches.dhen.cross_module import CrossModule
from models.branches.dhen.dhen_layer import DHENLayer
from models.branches.dhen.dot_module import DotModule
from models.embeddings.embedded import flatten
from models.layers.to_tokens import ToTokens

Interaction = Literal["dhen", "dot", "cross"]


@tf_keras.utils.register_keras_serializable(package="concord")
class InteractionArch(tf_keras.layers.Layer):
    """Behaviour-aware interactions between n tokens, from n tokens to n tokens.

        X' = reshape(W MLP(Interaction([X || S_sum])) + b)

    Interaction is one or more DHEN layers, the inner products of all pairs (`dot`), or low-rank
    cross layers with their skip (`cross`). DHEN layers have their default modules, dot and cross.

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4; benchmarked there with DHEN.

    Example:
        >>> arch = InteractionArch(units=[8])
        >>> arch(tf.zeros((1, 5, 4)), summary=tf.zeros((1, 3, 4))).shape
        TensorShape([1, 5, 4])

    Args:
        interaction: Which interaction.
        num_layers: Number of DHEN or of cross layers; `dot` has no layers and ignores it.
        rank: Rank of `cross`, alone or in DHEN.
        dot_units: Hidden units of DHEN's `dot` module.
        units: Hidden units of the MLP.
        activation: Activation of all hidden units.

    Call arguments:
        tokens: X, float tensor (batch, n, width).
        summary: S_sum, float tensor (batch, s, width).

    Returns:
        (batch, n, width).
    """

    def __init__(
        self,
        interaction: Interaction = "dhen",
        num_layers: int = 1,
        rank: int = 32,
        dot_units: Sequence[int] = (256,),
        units: Sequence[int] = (256,),
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if interaction not in get_args(Interaction):
            raise ValueError(
                "InteractionArch: `interaction` must be one of "
                f"{', '.join(get_args(Interaction))}. Received: interaction={interaction!r}."
            )
        if min(num_layers, rank) < 1:
            raise ValueError(
                f"InteractionArch: the number of interaction layers and their `rank` must be >= 1. "
                f"Received: num_layers={num_layers}, rank={rank}."
            )
        self.interaction, self.num_layers, self.rank = interaction, num_layers, rank
        self.dot_units, self.units = tuple(dot_units), tuple(units)
        self.activation = activation
        self.dhen = [
            DHENLayer(
                dot_units=dot_units,
                rank=rank,
                activation=activation,
                dtype=self.dtype_policy,
                name=f"dhen_{i}",
            )
            for i in range(num_layers if interaction == "dhen" else 0)
        ]

    def build(self, input_shape: tf.TensorShape) -> None:
        _, count, width = input_shape
        out = {
            "units": self.units,
            "activation": self.activation,
            "dtype": self.dtype_policy,
            "name": "out",
        }
        if self.interaction == "dot":
            self.out = DotModule(count, **out)
        elif self.interaction == "cross":
            self.out = CrossModule(count, self.rank, self.num_layers, keep_skip=True, **out)
        else:
            self.out = ToTokens(count, width, **out)
        super().build(input_shape)

    def call(self, tokens: tf.Tensor, summary: tf.Tensor) -> tf.Tensor:
        x = tf.concat([tokens, tf.cast(summary, tokens.dtype)], axis=1)  # (B, n + s, width)
        if self.interaction != "dhen":
            return self.out(x)
        for layer in self.dhen:
            x = layer(x)
        return self.out(flatten(x))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "interaction": self.interaction,
            "num_layers": self.num_layers,
            "rank": self.rank,
            "dot_units": list(self.dot_units),
            "units": list(self.units),
            "activation": self.activation,
        }
