"""DCN-V2's low-rank cross layers as an interaction module."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.embeddings.embedded import flatten
from models.layers.to_tokens import ToTokens


@tf_keras.utils.register_keras_serializable(package="concord")
class CrossModule(tf_keras.layers.Layer):
    """Crosses every number of the tokens with every other, and projects back to tokens.

        x_0 = flatten(X),  x_{l+1} = x_0 * (V_l U_l x_l + b_l) + x_l,  U_l in R^{r x D}
        u = reshape(W MLP(x_L - x_0) + b), without MLP where there are no `units`

    DHEN leaves the cross network's own skip out, because the DHEN layer has a shortcut. Decided
    where it is open: x_L - x_0 is that for any number of layers, the sum of the crosses of every
    order, while layers without any skip would keep the highest order alone. The sum is kept
    apart, not subtracted, so that no digit is lost in bfloat16. `keep_skip` projects x_L, for use
    without a shortcut around it.

    Not `tfrs.layers.feature_interaction.Cross`, which gives only x_{l+1}, the skip included.

    References: Wang et al., DCN V2, arXiv:2008.13535v2 (low rank); Zhang et al., DHEN,
    arXiv:2203.11014v1.

    Example:
        >>> CrossModule(2, rank=3)(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 2, 4])

    Args:
        num_tokens: Tokens out.
        rank: r, the width in between the two matrices of a layer.
        num_layers: L, number of layers.
        keep_skip: Whether x_0 is part of what is projected.
        units: Hidden units of the MLP.
        activation: Their activation.

    Call arguments:
        tokens: Float tensor (batch, m, width); D = m x width.

    Returns:
        (batch, num_tokens, width).
    """

    def __init__(
        self,
        num_tokens: int,
        rank: int = 32,
        num_layers: int = 1,
        keep_skip: bool = False,
        units: Sequence[int] = (),
        activation: str = "swish",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_tokens, rank, num_layers) < 1:
            raise ValueError(
                "CrossModule: `num_tokens`, `rank` and `num_layers` must be >= 1. "
                f"Received: num_tokens={num_tokens}, rank={rank}, num_layers={num_layers}."
            )
        self.num_tokens, self.rank, self.num_layers = num_tokens, rank, num_layers
        self.keep_skip, self.units, self.activation = keep_skip, tuple(units), activation

    def build(self, input_shape: tf.TensorShape) -> None:
        _, count, width = input_shape
        layers, total = self.num_layers, count * width

        def kernel(name: str, *shape: int) -> tf.Variable:
            # Keras would count the axis of the layers as a receptive field.
            stddev = math.sqrt(2.0 / (total + self.rank))
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)
            return self.add_weight(name, shape=shape, initializer=initializer)

        self.kernel_u = kernel("kernel_u", layers, total, self.rank)
        self.kernel_v = kernel("kernel_v", layers, self.rank, total)
        self.bias = self.add_weight("bias", shape=(layers, total), initializer="zeros")
        self.out = ToTokens(
            self.num_tokens,
            width,
            self.units,
            self.activation,
            dtype=self.dtype_policy,
            name="out",
        )
        super().build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        x0 = flatten(tokens)  # (B, D)
        down, up, bias = (
            tf.unstack(tf.cast(weights, x0.dtype))
            for weights in (self.kernel_u, self.kernel_v, self.bias)
        )
        crosses, xl = [], x0
        for u, v, b in zip(down, up, bias, strict=True):
            crosses.append(x0 * (tf.matmul(tf.matmul(xl, u), v) + b))
            xl += crosses[-1]
        return self.out(xl if self.keep_skip else tf.add_n(crosses))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "rank": self.rank,
            "num_layers": self.num_layers,
            "keep_skip": self.keep_skip,
            "units": list(self.units),
            "activation": self.activation,
        }
