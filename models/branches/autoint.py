"""AutoInt: field embeddings that attend to each other."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details
from models.embeddings.embedded import flatten
from models.layers.kernel_product import kernel_product
from models.layers.mlp import MLP
from models.layers.self_attention import attend


@tf_keras.utils.register_keras_serializable(package="concord")
class AutoInt(Branch):
    """Layers of multi-head self-attention over the fields, each with a residual and a ReLU.

    With e_m the embedding of field m, heads h = 1..H of width d', and W_Q, W_K, W_V in R^{d' x d}
    for each head:

        a^h_{mk} = softmax_k(<W^h_Q e_m, W^h_K e_k>)                                    (Eq. 5)
        t_m = ||_h sum_k a^h_{mk} W^h_V e_k                                          (Eq. 6, 7)
        e_m <- ReLU(t_m + W_res e_m),  W_res in R^{H d' x d}                            (Eq. 8)
        h = e_1 || ... || e_M of the last layer                                         (Eq. 9)

    A linear head on h gives the paper's logit. With `units` it is AutoInt+: h || MLP(x0), x0 the
    concatenated embeddings. Weights Glorot normal, no bias; the softmax is float32.

    Where all embeddings are near 0, so are the scores, and hardly any gradient reaches W_Q and W_K
    until the embeddings have grown: the preset starts them at N(0, 0.01), as the authors' code.

    Reference: Song et al., AutoInt, arXiv:1810.11921v2, section 4; sizes of its section 5.1.4.
    The authors' code (shichence/AutoInt) divides the scores by sqrt(d'), and has a ReLU behind
    every projection and layer normalisation behind every layer; the paper has none of them.

    Example:
        >>> AutoInt(num_layers=1, head_dim=3)(tf.zeros((2, 5, 4))).shape
        TensorShape([2, 30])

    Args:
        num_layers: Number of interacting layers.
        num_heads: H, heads of each layer.
        head_dim: d', width of a head.
        residual: Whether W_res e_m is added (the paper's Table 4 leaves it out).
        scale: Whether scores are divided by sqrt(d').
        units: Hidden units of AutoInt+'s MLP; None is AutoInt.
        activation, dropout, batch_norm: As for `MLP`, of that MLP.

    Call arguments:
        field_embeddings: Float tensor (batch, M, d), the field embeddings.

    Returns:
        (batch, M x H x d'), with `units` (batch, M x H x d' + units[-1]); its intermediates are
        the outputs of the interacting layers, each (batch, M x H x d').
    """

    takes = "field_embeddings"
    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 3,
        num_heads: int = 2,
        head_dim: int = 32,
        residual: bool = True,
        scale: bool = False,
        units: Sequence[int] | None = None,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_layers, num_heads, head_dim) < 1:
            raise ValueError(
                "AutoInt: `num_layers`, `num_heads` and `head_dim` must be >= 1. Received: "
                f"num_layers={num_layers}, num_heads={num_heads}, head_dim={head_dim}."
            )
        self.num_layers, self.num_heads, self.head_dim = num_layers, num_heads, head_dim
        self.residual, self.scale = residual, scale
        self.units = None if units is None else tuple(units)
        self.activation, self.dropout, self.batch_norm = activation, dropout, batch_norm
        policy = self.dtype_policy
        self.stack = [
            _InteractingLayer(
                num_heads, head_dim, residual, scale, dtype=policy, name=f"interacting_{i}"
            )
            for i in range(num_layers)
        ]
        self.mlp = None
        if self.units is not None:
            self.mlp = MLP(self.units, activation, dropout, batch_norm, dtype=policy, name="mlp")

    def interact(
        self, field_embeddings: tf.Tensor, training: bool | None
    ) -> tuple[tf.Tensor, Details]:
        if field_embeddings.shape.rank != 3:
            raise ValueError(
                f"{self.name}: expected field embeddings (batch, num_fields, embedding_dim). "
                f"Received: {tuple(field_embeddings.shape)}. "
                "Use the embeddings before they are flattened."
            )
        x, outputs = field_embeddings, []
        for layer in self.stack:
            x = layer(x)
            outputs.append(flatten(x))
        h = outputs[-1]
        if self.mlp is not None:
            h = tf.concat([h, self.mlp(flatten(field_embeddings), training=training)], axis=1)
        return h, Details(tuple(outputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "residual": self.residual,
            "scale": self.scale,
            "units": None if self.units is None else list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }


class _InteractingLayer(tf_keras.layers.Layer):
    """Eq. 5 to 8: (batch, M, d) -> (batch, M, num_heads x head_dim)."""

    def __init__(self, num_heads: int, head_dim: int, residual: bool, scale: bool, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.head_dim = num_heads, head_dim
        self.residual, self.scale = residual, scale

    def build(self, input_shape: tf.TensorShape) -> None:
        width, total = input_shape[-1], self.num_heads * self.head_dim

        def kernel(name: str, *shape: int) -> tf.Variable:
            # Keras' own Glorot would take the axis of the heads for a receptive field.
            stddev = (2.0 / (width + total)) ** 0.5
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)  # of each its own
            return self.add_weight(name, shape=shape, initializer=initializer)

        self.kernel_qkv = kernel("kernel_qkv", width, 3, self.num_heads, self.head_dim)
        self.kernel_res = kernel("kernel_res", width, total) if self.residual else None
        super().build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        qkv = kernel_product("bmd,dshe->sbhme", x, self.kernel_qkv)
        query, key, value = tf.unstack(qkv)  # (B, H, M, d')
        heads = attend(query, key, value, mask=None, scale=self.scale)
        t = tf.reshape(
            tf.transpose(heads, [0, 2, 1, 3]), (-1, x.shape[1], self.num_heads * self.head_dim)
        )
        if self.kernel_res is not None:
            t += kernel_product("bmd,de->bme", x, self.kernel_res)
        return tf.nn.relu(t)
