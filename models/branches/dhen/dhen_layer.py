"""One layer of DHEN: unlike interaction modules side by side."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.branches.dhen.attention_module import AttentionModule
from models.branches.dhen.cross_module import CrossModule
from models.branches.dhen.dot_module import DotModule
from models.layers.token_linear import TokenLinear

Module = Literal["dot", "cross", "linear", "self_attention"]
Ensemble = Literal["concat", "sum", "weighted_sum"]


@tf_keras.utils.register_keras_serializable(package="concord")
class DHENLayer(tf_keras.layers.Layer):
    """Several interaction modules look at the same tokens, and their tokens are put together.

        Y = LN(Ensemble_i(Interaction_i(X)) + ShortCut(X))

    Every module gives l tokens. `concat` of k modules makes k x l of them; `sum` makes l;
    `weighted_sum` learns a weight per module, from 1. ShortCut is X where the number of tokens
    stays, else W X (`TokenLinear`). LN over the width of a token, epsilon 1e-5: Keras' 1e-3 would
    shrink tokens whose embeddings start small. A token of width 1 is nothing but the bias after
    LN, and is refused.

    Reference: Zhang et al., DHEN, arXiv:2203.11014v1. Without its convolution module; the default
    modules are those that InterFormer, arXiv:2411.09852v4, App. B.2, benchmarks as DHEN.

    Example:
        >>> DHENLayer(["dot", "linear"])(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 6, 4])

    Args:
        modules: Names of modules: `dot` (`DotModule`), `cross` (`CrossModule`), `linear`
            (`TokenLinear`), `self_attention` (`AttentionModule`).
        ensemble: How their tokens are put together.
        tokens_per_module: l; None keeps the number of tokens: m for the sums, m / k rounded up
            for `concat`, which is half of them for two modules.
        dot_units: Hidden units of `dot`.
        rank, cross_layers: Rank and number of layers of `cross`.
        num_heads: Heads of `self_attention`.
        activation: Activation of all hidden units.

    Call arguments:
        tokens: Float tensor (batch, m, width), width >= 2.

    Returns:
        (batch, k x l or l, width).
    """

    def __init__(
        self,
        modules: Sequence[Module] = ("dot", "cross"),
        ensemble: Ensemble = "concat",
        tokens_per_module: int | None = None,
        dot_units: Sequence[int] = (256,),
        rank: int = 32,
        cross_layers: int = 1,
        num_heads: int = 2,
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        unknown = [name for name in modules if name not in get_args(Module)]
        if unknown or not modules:
            raise ValueError(
                f"DHENLayer: `modules` must be one or more of {', '.join(get_args(Module))}. "
                f"Received: modules={list(modules)}."
            )
        if ensemble not in get_args(Ensemble):
            raise ValueError(
                f"DHENLayer: `ensemble` must be one of {', '.join(get_args(Ensemble))}. "
                f"Received: ensemble={ensemble!r}."
            )
        least = 1 if tokens_per_module is None else tokens_per_module
        if min(least, rank, cross_layers, num_heads) < 1:
            raise ValueError(
                f"DHENLayer: `tokens_per_module`, `rank`, `cross_layers` and `num_heads` must be "
                f">= 1. Received: tokens_per_module={tokens_per_module}, rank={rank}, "
                f"cross_layers={cross_layers}, num_heads={num_heads}."
            )
        self.modules, self.ensemble = tuple(modules), ensemble
        self.tokens_per_module, self.dot_units = tokens_per_module, tuple(dot_units)
        self.rank, self.cross_layers, self.num_heads = rank, cross_layers, num_heads
        self.activation = activation
        self.norm = tf_keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        _, count, width = input_shape
        if width < 2:
            raise ValueError(
                f"{self.name}: tokens are normalised over their width, which must be >= 2. "
                f"Received: tokens of shape {tuple(input_shape)}. Use wider embeddings."
            )
        concat, modules = self.ensemble == "concat", len(self.modules)
        tokens = self.tokens_per_module or (-(-count // modules) if concat else count)
        self.interactions = [
            self._module(name, tokens, name=f"{name}_{i}") for i, name in enumerate(self.modules)
        ]
        self.module_weights = None
        if self.ensemble == "weighted_sum":
            self.module_weights = self.add_weight(
                "module_weights", shape=(modules,), initializer="ones"
            )
        total = tokens * modules if concat else tokens
        self.shortcut = None
        if total != count:
            self.shortcut = TokenLinear(total, dtype=self.dtype_policy, name="shortcut")
        super().build(input_shape)

    def _module(self, module: Module, num_tokens: int, name: str) -> tf_keras.layers.Layer:
        common = {"num_tokens": num_tokens, "dtype": self.dtype_policy, "name": name}
        if module == "dot":
            return DotModule(units=self.dot_units, activation=self.activation, **common)
        if module == "cross":
            return CrossModule(rank=self.rank, num_layers=self.cross_layers, **common)
        if module == "linear":
            return TokenLinear(**common)
        return AttentionModule(num_heads=self.num_heads, activation=self.activation, **common)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        outputs = [module(tokens) for module in self.interactions]
        if self.ensemble == "concat":
            y = tf.concat(outputs, axis=1)
        elif self.ensemble == "sum":
            y = tf.add_n(outputs)
        else:
            weights = tf.unstack(tf.cast(self.module_weights, tokens.dtype))
            y = tf.add_n([w * u for w, u in zip(weights, outputs, strict=True)])
        return self.norm(y + (tokens if self.shortcut is None else self.shortcut(tokens)))

    def options(self) -> dict[str, Any]:
        """The constructor's own arguments, for the configuration of what holds such layers."""
        return {
            "modules": list(self.modules),
            "ensemble": self.ensemble,
            "tokens_per_module": self.tokens_per_module,
            "dot_units": list(self.dot_units),
            "rank": self.rank,
            "cross_layers": self.cross_layers,
            "num_heads": self.num_heads,
            "activation": self.activation,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options()}
