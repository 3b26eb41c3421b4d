"""xDeepFM's compressed interaction network."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Details, ReducedBranch
from models.layers.activations import activation_function

_BLOCK = 8  # smaller ones multiply less and dispatch more


@tf_keras.utils.register_keras_serializable(package="concord")
class CIN(ReducedBranch):
    """Explicit crossing of whole field embeddings: products of fields and feature maps, compressed.

    With X^0 the F field embeddings (in R^d), H_k maps in layer k, * elementwise, g the activation:

        X^k_h = g( sum_{i,j} W^k_hij (X^0_i * X^{k-1}_j) + b^k_h )                  (Eq. 6)
        p^k   = sum over the d columns of X^k, in R^{H_k}                           (Eq. 7)

    The result is p^1 to p^L side by side, which are the intermediates; the network's head makes
    the paper's linear logit of it. With `split_half`, the first half of the maps of every layer
    but the last goes on to the next layer and only the second half is pooled.

    W Glorot normal as a matrix (F H_{k-1}, H_k), b zero. The activation is the identity, which
    the paper found best and reczoo/FuxiCTR@0245987 has; DeepCTR has relu and `split_half`. Both
    have the bias, which the paper has not.

    Memory: the maps are kept as (B, d, H), so that a layer is a matmul of all pairs
    (B d, F H_{k-1}) with W, at the price of B d F H_{k-1} numbers. In the first layer both factors
    are field embeddings; in training, X^0_i * X^0_j with its weights W_ij + W_ji is computed once
    for i < j, which halves the products. (Not in scoring, where adding up weights costs more than a
    small batch, and not in bfloat16, whose matmuls are so fast that it gains nothing and rounds
    more.)
    The last layer is only pooled, and with the identity pooling and the matmul may change places:
    the pairs are then (B, F H_{k-1}), one batched matmul, d times smaller and d times faster. A
    CIN of one layer never holds the large tensor.

    Reference: Lian et al., xDeepFM, arXiv:1803.05170v3, section 3.2.

    Example:
        >>> CIN([8, 4])(tf.zeros((2, 3, 5))).shape
        TensorShape([2, 12])

    Args:
        units: H_1 to H_L, the number of feature maps of each layer.
        split_half: Whether half of the maps go on and the other half is pooled; each width but
            the last must then be even.
        activation: g, name of a Keras activation.
        use_bias: Whether there is b.
        output_units: Width of a fully connected layer behind p; None leaves p.
        output_activation: Activation of that layer.

    Call arguments:
        field_embeddings: Float tensor (batch, num_fields, embedding_dim).

    Returns:
        (batch, output_units), or (batch, number of pooled maps) without an output layer.
    """

    takes = "field_embeddings"
    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (128, 128),
        split_half: bool = False,
        activation: str = "linear",
        use_bias: bool = True,
        output_units: int | None = None,
        output_activation: str = "relu",
        **kwargs,
    ):
        super().__init__(output_units, output_activation, **kwargs)
        if not units or min(units) < 1:
            raise ValueError(
                "CIN: `units` must be one or more numbers of feature maps >= 1. "
                f"Received: units={list(units)}."
            )
        if split_half and any(each % 2 for each in units[:-1]):
            raise ValueError(
                "CIN: with split_half, each of `units` but the last must be even. "
                f"Received: units={list(units)}. Make them even, or set split_half to False."
            )
        self.units, self.split_half = tuple(int(each) for each in units), split_half
        self.activation, self.use_bias = activation, use_bias
        self._activate = activation_function(activation)

    def build(self, input_shape: tf.TensorShape) -> None:
        if len(input_shape) != 3:
            raise ValueError(
                f"{self.name}: expected field embeddings (batch, num_fields, embedding_dim). "
                f"Received: {tuple(input_shape)}. Feed `Embedded.field_embeddings`."
            )
        fields = input_shape[1]
        before = [fields, *(maps // 2 if self.split_half else maps for maps in self.units[:-1])]
        self.kernels = [
            self.add_weight(f"kernel_{k}", shape=(fields * h, maps), initializer="glorot_normal")
            for k, (h, maps) in enumerate(zip(before, self.units, strict=True))
        ]
        self.biases = [
            self.add_weight(f"bias_{k}", shape=(maps,), initializer="zeros")
            for k, maps in enumerate(self.units if self.use_bias else ())
        ]
        super().build(input_shape)

    def interact(
        self, field_embeddings: tf.Tensor, training: bool | None
    ) -> tuple[tf.Tensor, Details]:
        x0 = x = tf.transpose(field_embeddings, (0, 2, 1))  # (B, d, F)
        pooled = []
        *inner, last = range(len(self.units))
        for k in inner:
            x = self._maps(k, x0, x, training)  # (B, d, H)
            shown = x
            if self.split_half:
                x, shown = tf.split(x, 2, axis=2)
            pooled.append(tf.reduce_sum(shown, axis=1))  # (B, H)
        if self._activate is tf_keras.activations.linear:
            pooled.append(self._pooled_maps(last, x0, x))
        else:
            pooled.append(tf.reduce_sum(self._maps(last, x0, x, training), axis=1))
        return tf.concat(pooled, axis=1), Details(tuple(pooled))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "split_half": self.split_half,
            "activation": self.activation,
            "use_bias": self.use_bias,
        }

    def _maps(self, k: int, x0: tf.Tensor, x: tf.Tensor, training: bool | None) -> tf.Tensor:
        """X^k, (B, d, H_k)."""
        _, width, fields = x0.shape
        x0, x = (tf.reshape(each, (-1, each.shape[2])) for each in (x0, x))  # (B d, ..)
        if k == 0 and training and x.dtype == tf.float32:
            kernels = _folded(self.kernels[0], fields)
            products = [tf.matmul(_pairs(x0[:, i:j], x0[:, i:]), w) for (i, j), w in kernels]
            x = products[0] if len(products) == 1 else tf.add_n(products)
        else:
            # Rows, not a batch of matrices: that would keep a gradient of W per example.
            x = tf.matmul(_pairs(x0, x), self.kernels[k])
        if self.use_bias:
            x += self.biases[k]
        return tf.reshape(self._activate(x), (-1, width, self.units[k]))

    def _pooled_maps(self, k: int, x0: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """p^k of a layer without activation, (B, H_k): sum over the width first, then W."""
        _, width, fields = x0.shape
        pairs = tf.matmul(x0, x, transpose_a=True)  # (B, F, H)
        p = tf.matmul(tf.reshape(pairs, (-1, fields * x.shape[2])), self.kernels[k])
        if self.use_bias:
            p += width * self.biases[k]
        return p


def _pairs(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Products of all columns of (N, F) with all of (N, H): (N, F H).

    A batched matmul, whose gradients are batched matmuls too: those of a broadcast product write
    two tensors of the size of the result.
    """
    pairs = tf.matmul(left[:, :, tf.newaxis], right[:, tf.newaxis, :])  # (N, F, H)
    return tf.reshape(pairs, (-1, left.shape[1] * right.shape[1]))


def _folded(kernel: tf.Tensor, fields: int) -> list[tuple[tuple[int, int], tf.Tensor]]:
    """For blocks [i, j) of fields: weights of their pairs with the fields from i on.

    Pairs with a field after the block get W_ij + W_ji, pairs inside the block stay as they are.
    """
    kernel = tf.reshape(kernel, (fields, fields, -1))
    folded = []
    for i in range(0, fields, _BLOCK):
        j = min(i + _BLOCK, fields)
        after = kernel[i:j, j:] + tf.transpose(kernel[j:, i:j], (1, 0, 2))
        weights = tf.concat([kernel[i:j, i:j], after], axis=1)  # (j - i, F - i, H)
        folded.append(((i, j), tf.reshape(weights, ((j - i) * (fields - i), -1))))
    return folded
