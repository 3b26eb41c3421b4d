"""MaskNet: layers whose inputs are multiplied by masks that the example's embeddings make."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details
from models.embeddings.embedded import flatten
from models.layers.activations import activation_function
from models.layers.dense import Dense
from models.layers.mlp import MLP

Structure = Literal["serial", "parallel"]

_EPSILON = 1e-5  # Keras' 1e-3 would shrink embeddings that start small


@tf_keras.utils.register_keras_serializable(package="concord")
class MaskNet(Branch):
    """Blocks of an instance-guided mask, a linear layer and layer normalisation.

    With V the concatenated embeddings of the M fields, and LN_EMB(V) the layer normalisation of
    each field's embedding, with a gain and a bias for each:

        mask(V) = W_2 ReLU(W_1 V + b_1) + b_2                                           (Eq. 5)
        block(X) = ReLU(LN(W (mask(V) * X)))                                   (Eq. 12 and 14)

    Every block has a mask of its own, and every mask reads V. W_1 has `reduction_ratio` rows for
    each of W_2's, which are as many as X has numbers. W has no bias: LN has one.

    | `structure` | blocks |
    |---|---|
    | `serial` (SerMaskNet) | the first one's X is LN_EMB(V), another's the output before it |
    | `parallel` (ParaMaskNet) | every one's X is LN_EMB(V); outputs side by side (Eq. 15) |

    Behind them stands an MLP of `units`: the paper has one in `parallel`, none in `serial`.
    A linear head on the result gives the paper's logit.

    Reference: Wang et al., MaskNet, arXiv:2102.07619v2, section 3; its section 4.1.4 has the
    widths and the ratio. Decided where it is open: weights Glorot normal, and b_2 starts at 1, so
    that a block starts as a layer of an MLP; starting at 0, masks would be proportional to
    embeddings near 0, and every block would shrink by that much what it lets through.

    Example:
        >>> MaskNet(block_units=[8, 6])(tf.zeros((2, 5, 4))).shape
        TensorShape([2, 6])

    Args:
        structure: How the blocks stand to each other.
        block_units: Width of each block's output, first to last.
        reduction_ratio: Width of a mask's hidden layer over the mask's own, rounded down to at
            least 1 unit.
        units: Hidden units of the MLP behind the blocks; None leaves it out.
        activation: In place of ReLU, in masks, blocks and MLP.
        dropout: As for `MLP`, behind every block and in the MLP.
        batch_norm: As for `MLP`, of the MLP behind the blocks.

    Call arguments:
        field_embeddings: Float tensor (batch, M, embedding_dim), embedding_dim >= 2.

    Returns:
        (batch, units[-1]); without `units` (batch, block_units[-1]) if serial and (batch,
        sum(block_units)) if parallel. Its intermediates are the outputs of the blocks.
    """

    takes = "field_embeddings"
    exposes_intermediates = True

    def __init__(
        self,
        structure: Structure = "serial",
        block_units: Sequence[int] = (400, 400, 400),
        reduction_ratio: float = 2.0,
        units: Sequence[int] | None = None,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if structure not in get_args(Structure):
            raise ValueError(
                f"MaskNet: `structure` must be one of {', '.join(get_args(Structure))}. "
                f"Received: structure={structure!r}."
            )
        if not block_units or min(block_units) < 1 or not reduction_ratio > 0.0:
            raise ValueError(
                "MaskNet: `block_units` must be one or more widths >= 1 and `reduction_ratio` "
                f"must be > 0. Received: block_units={list(block_units)}, "
                f"reduction_ratio={reduction_ratio}."
            )
        self.structure, self.block_units = structure, tuple(block_units)
        self.reduction_ratio = float(reduction_ratio)
        self.units = None if units is None else tuple(units)
        self.activation, self.dropout, self.batch_norm = activation, dropout, batch_norm
        policy = self.dtype_policy
        self.norm = _FieldNormalization(dtype=policy, name="norm")
        self.blocks = [
            _MaskBlock(width, reduction_ratio, activation, dropout, dtype=policy, name=f"block_{i}")
            for i, width in enumerate(self.block_units)
        ]
        self.mlp = None
        if self.units is not None:
            self.mlp = MLP(self.units, activation, dropout, batch_norm, dtype=policy, name="mlp")

    def interact(
        self, field_embeddings: tf.Tensor, training: bool | None
    ) -> tuple[tf.Tensor, Details]:
        if field_embeddings.shape.rank != 3 or field_embeddings.shape[2] < 2:
            raise ValueError(
                f"{self.name}: expected field embeddings (batch, num_fields, embedding_dim >= 2). "
                f"Received: {tuple(field_embeddings.shape)}. Use wider embeddings."
            )
        instance, normed = flatten(field_embeddings), flatten(self.norm(field_embeddings))
        x, outputs = normed, []
        for block in self.blocks:
            x = block(x, instance=instance, training=training)
            outputs.append(x)
            if self.structure == "parallel":
                x = normed
        h = tf.concat(outputs, axis=1) if self.structure == "parallel" else outputs[-1]
        if self.mlp is not None:
            h = self.mlp(h, training=training)
        return h, Details(tuple(outputs))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "structure": self.structure,
            "block_units": list(self.block_units),
            "reduction_ratio": self.reduction_ratio,
            "units": None if self.units is None else list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }


class _FieldNormalization(tf_keras.layers.Layer):
    """LN_EMB (Eq. 9): (batch, M, embedding_dim) -> the same, each field with a gain and bias."""

    def build(self, input_shape: tf.TensorShape) -> None:
        self.norm = tf_keras.layers.LayerNormalization(
            epsilon=_EPSILON, center=False, scale=False, dtype=self.dtype_policy, name="norm"
        )
        self.gain = self.add_weight("gain", shape=input_shape[1:], initializer="ones")
        self.bias = self.add_weight("bias", shape=input_shape[1:], initializer="zeros")
        super().build(input_shape)

    def call(self, field_embeddings: tf.Tensor) -> tf.Tensor:
        gain, bias = (tf.cast(weight, field_embeddings.dtype) for weight in (self.gain, self.bias))
        return self.norm(field_embeddings) * gain + bias


class _MaskBlock(tf_keras.layers.Layer):
    """Eq. 12 and 14: x (batch, z) and the embeddings (batch, D) -> (batch, units)."""

    def __init__(
        self, units: int, reduction_ratio: float, activation: str, dropout: float, **kwargs
    ):
        super().__init__(**kwargs)
        self.units, self.reduction_ratio, self.activation = units, reduction_ratio, activation
        self._activate = activation_function(activation)
        policy = self.dtype_policy
        self.norm = tf_keras.layers.LayerNormalization(epsilon=_EPSILON, dtype=policy, name="norm")
        self.drop = tf_keras.layers.Dropout(dropout, dtype=policy) if dropout else None

    def build(self, input_shape: tf.TensorShape) -> None:
        width, policy = input_shape[-1], self.dtype_policy
        hidden = max(int(self.reduction_ratio * width), 1)
        self.aggregate = MLP([hidden], self.activation, dtype=policy, name="aggregate")
        self.project = Dense(
            width,
            bias_initializer="ones",
            dtype=policy,
            name="project",
        )
        self.linear = Dense(
            self.units,
            use_bias=False,
            dtype=policy,
            name="linear",
        )
        super().build(input_shape)

    def call(self, x: tf.Tensor, instance: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        mask = self.project(self.aggregate(instance))
        x = self._activate(self.norm(self.linear(mask * x)))
        return x if self.drop is None else self.drop(x, training=training)
