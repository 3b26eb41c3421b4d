"""Wukong: stacked factorization machines over tokens."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details
from models.embeddings.embedded import flatten
from models.layers.activations import activation_function
from models.layers.dense import Dense
from models.layers.kernel_product import kernel_product
from models.layers.mlp import MLP
from models.layers.token_linear import TokenLinear

Projection = Literal["learned", "attentive", "none"]

_EPSILON = 1e-5  # Keras' 1e-3 would shrink tokens whose embeddings start small


@tf_keras.utils.register_keras_serializable(package="concord")
class Wukong(Branch):
    """Layers of pairwise interactions: layer i holds interactions of every order up to 2^i.

    With X_0 the n tokens of width d, in each layer (LN over the width, n_F + n_L tokens out):

        FM(X)   = X (X^T Y)                            (n, k)
        FMB(X)  = reshape(W MLP(LN(flatten(FM(X)))) + b)   (n_F, d)
        LCB(X)  = W_L X                                (n_L, d)
        X_{i+1} = LN(concat(FMB(X_i), LCB(X_i)) + W_R X_i)
        h       = MLP(flatten(X_L))

    X^T Y comes first, so that a layer costs O(nkd) and never makes the n x n matrix X X^T. The
    residual X_i is taken as it is where n = n_F + n_L, else recombined by W_R. W_L and W_R have no
    bias: it would be one number along the width, which LN takes away again. A token of width 1 is
    nothing but its bias after LN, and is refused.

    Weights Glorot normal, Y too: FuxiCTR's N(0, 1) leans on the LN behind it. While embeddings are
    close to 0 the pairs of the first layer are below LN's epsilon, and grow with them.

    Reference: Zhang et al., Wukong, arXiv:2403.02545v4, section 3; sizes as reczoo/FuxiCTR's
    template (WuKong_default), which are for embeddings of width 64.
    Decided where it is open: Y is learnt and the same for every example, as in FuxiCTR;
    `attentive` adds to that Y what an MLP (hidden `fmb_units`) makes of k tokens recombined from X.
    The paper has the MLP alone, which near 0 embeddings would make every pair of the first layer
    0. The MLP of the FMB ends linearly, as in the paper; FuxiCTR has a ReLU there.

    Example:
        >>> Wukong(units=[8])(tf.zeros((2, 5, 4))).shape
        TensorShape([2, 8])

    Args:
        num_layers: L, number of layers.
        lcb_tokens, fmb_tokens: n_L and n_F, tokens out of each layer; the paper has n_L = n_F.
        rank: k, columns of Y.
        projection: Y is `learned`, or `attentive`, an example's own; `none` is X X^T in full.
        fmb_units: Hidden units of the FMB's MLP.
        fmb_output_activation: Activation of the tokens that come out of it.
        units: Hidden units of the head, the last its width.
        activation, dropout: As for `MLP`, of all hidden layers.
        batch_norm: As for `MLP`, of the head (FuxiCTR has it on).

    Call arguments:
        tokens: Float tensor (batch, n, d), d >= 2.

    Returns:
        (batch, units[-1]); its intermediates are X_1, ..., X_L, each (batch, (n_F + n_L) x d).
    """

    takes = "field_embeddings"
    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 3,
        lcb_tokens: int = 40,
        fmb_tokens: int = 40,
        rank: int = 8,
        projection: Projection = "learned",
        fmb_units: Sequence[int] = (512, 256),
        fmb_output_activation: str = "linear",
        units: Sequence[int] = (512, 256),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_layers, lcb_tokens, fmb_tokens, rank) < 1:
            raise ValueError(
                "Wukong: `num_layers`, `lcb_tokens`, `fmb_tokens` and `rank` must be >= 1. "
                f"Received: num_layers={num_layers}, lcb_tokens={lcb_tokens}, "
                f"fmb_tokens={fmb_tokens}, rank={rank}."
            )
        if projection not in get_args(Projection):
            raise ValueError(
                f"Wukong: `projection` must be one of {', '.join(get_args(Projection))}. "
                f"Received: projection={projection!r}."
            )
        self.num_layers, self.lcb_tokens, self.fmb_tokens = num_layers, lcb_tokens, fmb_tokens
        self.rank, self.projection = rank, projection
        self.fmb_units, self.fmb_output_activation = tuple(fmb_units), fmb_output_activation
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm
        policy = self.dtype_policy
        self.stack = [
            _WukongLayer(
                lcb_tokens,
                fmb_tokens,
                rank,
                projection,
                fmb_output_activation,
                {"units": self.fmb_units, "activation": activation, "dropout": dropout},
                dtype=policy,
                name=f"layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.head = MLP(self.units, activation, dropout, batch_norm, dtype=policy, name="head")

    def interact(self, tokens: tf.Tensor, training: bool | None) -> tuple[tf.Tensor, Details]:
        if tokens.shape.rank != 3 or tokens.shape[2] < 2:
            raise ValueError(
                f"{self.name}: expected tokens (batch, n, width) of a width >= 2. "
                f"Received: {tuple(tokens.shape)}. Use wider embeddings."
            )
        x, outputs = tokens, []
        for layer in self.stack:
            x = layer(x, training=training)
            outputs.append(flatten(x))
        return self.head(outputs[-1], training=training), Details(tuple(outputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "lcb_tokens": self.lcb_tokens,
            "fmb_tokens": self.fmb_tokens,
            "rank": self.rank,
            "projection": self.projection,
            "fmb_units": list(self.fmb_units),
            "fmb_output_activation": self.fmb_output_activation,
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }


class _WukongLayer(tf_keras.layers.Layer):
    """X_i to X_{i+1}: (batch, n, d) -> (batch, fmb_tokens + lcb_tokens, d)."""

    def __init__(
        self,
        lcb_tokens: int,
        fmb_tokens: int,
        rank: int,
        projection: Projection,
        output_activation: str,
        mlp: dict[str, Any],
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.lcb_tokens, self.fmb_tokens, self.rank = lcb_tokens, fmb_tokens, rank
        self.projection = projection
        policy = self.dtype_policy
        self._activate = activation_function(output_activation)
        self.mlp = MLP(**mlp, dtype=policy, name="fmb_mlp")
        self.norm_pairs = _norm(policy, "norm_pairs")
        self.norm = _norm(policy, "norm")
        self.mlp_y: MLP | None = None
        if projection == "attentive":
            self.mlp_y = MLP(**mlp, dtype=policy, name="mlp_y")

    def build(self, input_shape: tf.TensorShape) -> None:
        _, n, width = input_shape
        policy = self.dtype_policy

        def linear(units: int, name: str, use_bias: bool = True) -> Dense:
            return Dense(units, use_bias, dtype=policy, name=name)

        def recombine(count: int, name: str) -> TokenLinear:
            return TokenLinear(count, dtype=policy, name=name)

        self.lcb = recombine(self.lcb_tokens, "lcb")
        self.fmb_out = linear(self.fmb_tokens * width, "fmb_out")
        self.residual = None
        if n != self.fmb_tokens + self.lcb_tokens:
            self.residual = recombine(self.fmb_tokens + self.lcb_tokens, "residual")
        if self.projection != "none":
            self.kernel_y = self.add_weight(
                "kernel_y", shape=(n, self.rank), initializer="glorot_normal"
            )
        if self.projection == "attentive":
            self.lcb_y = recombine(self.rank, "lcb_y")
            self.out_y = linear(n * self.rank, "out_y", use_bias=False)  # kernel_y is its bias
        super().build(input_shape)

    def pairs(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """FM(X): (batch, n, rank), or (batch, n, n) without a projection."""
        if self.projection == "none":
            return tf.matmul(x, x, transpose_b=True)
        y = tf.cast(self.kernel_y, x.dtype)
        if self.mlp_y is None:  # the projection is learned, the same for all examples
            return tf.matmul(x, kernel_product("bnd,nk->bdk", x, y))
        own = self.out_y(self.mlp_y(flatten(self.lcb_y(x)), training=training))
        y = y + tf.reshape(own, (-1, x.shape[1], self.rank))  # (B, n, k)
        return tf.matmul(x, tf.matmul(x, y, transpose_a=True))

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        normed = self.norm_pairs(flatten(self.pairs(x, training)))
        fmb = self._activate(self.fmb_out(self.mlp(normed, training=training)))
        fmb = tf.reshape(fmb, (-1, self.fmb_tokens, x.shape[2]))
        residual = x if self.residual is None else self.residual(x)
        return self.norm(tf.concat([fmb, self.lcb(x)], axis=1) + residual)


def _norm(policy: Any, name: str) -> tf_keras.layers.LayerNormalization:
    return tf_keras.layers.LayerNormalization(epsilon=_EPSILON, dtype=policy, name=name)
