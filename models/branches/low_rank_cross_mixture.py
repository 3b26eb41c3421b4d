"""DCN-V2's low-rank cross network with a mixture of experts."""

import math
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Details, ReducedBranch
from models.layers.activations import activation_function


@tf_keras.utils.register_keras_serializable(package="concord")
class LowRankCrossMixture(ReducedBranch):
    """Explicit crossing of ever higher order, experts mixed by a gate in every layer.

    Layer l, experts i = 1..K of rank r, on x of width D (DCN-V2, Eq. 3 and 4, as CrossNet-Mix of
    reczoo/FuxiCTR@0245987 computes it):

        E_i(x_l) = x_0 * (U_l^i g(C_l^i g(V_l^i^T x_l)) + b_l)
        x_{l+1}  = sum_i softmax_i(a_i^T x_l) E_i(x_l) + x_l

    The gates a_i are shared by all layers, b_l by all experts. The gates of an example sum to 1,
    so that sum_i p_i x_0 * (U^i h_i + b) = x_0 * (U [p_1 h_1, ..., p_K h_K] + b): one matmul down
    for all experts and gates, one matmul up. And as every layer multiplies x_0,

        x_{l+1} = x_0 * (1 + sum_{k<=l} (U_k h_k + b_k)),

    one matmul with the matrices of all layers so far, where adding layer to layer would pass over
    (batch, D) twice more. U, V, C and a Glorot normal, b zero. The intermediates are x_1 to x_L.

    With `output_units`, a fully connected layer follows (MBCnet's "dimension reduction layer").

    References: Wang et al., DCN V2, arXiv:2008.13535; Chen et al., MBCnet, arXiv:2411.13057v2,
    sections 3.3 and 4.1.3 for the sizes.

    Example:
        >>> LowRankCrossMixture(output_units=8)(tf.zeros((2, 3))).shape
        TensorShape([2, 8])

    Args:
        num_layers: Number of cross layers.
        num_experts: K, experts per layer.
        rank: r, the width that an expert projects to.
        output_units: Width of the output layer; None leaves x_L, of the width of the input.
        activation: g, name of a Keras activation.
        output_activation: Activation of the output layer.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, output_units), or (batch, D) without an output layer.
    """

    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 2,
        num_experts: int = 2,
        rank: int = 16,
        output_units: int | None = 512,
        activation: str = "tanh",
        output_activation: str = "relu",
        **kwargs,
    ):
        super().__init__(output_units, output_activation, **kwargs)
        if min(num_layers, num_experts, rank) < 1:
            raise ValueError(
                "LowRankCrossMixture: `num_layers`, `num_experts` and `rank` must be >= 1. "
                f"Received: num_layers={num_layers}, num_experts={num_experts}, rank={rank}."
            )
        self.num_layers, self.num_experts, self.rank = num_layers, num_experts, rank
        self.activation = activation
        self._activate = activation_function(activation)

    def build(self, input_shape: tf.TensorShape) -> None:
        layers, experts, rank, width = (
            self.num_layers,
            self.num_experts,
            self.rank,
            input_shape[-1],
        )

        def weight(name: str, shape: tuple[int, ...], fans: int) -> tf.Variable:
            # Keras would count the axes of layers and experts as a receptive field.
            initializer = tf_keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / fans))
            return self.add_weight(name, shape=shape, initializer=initializer)

        self.kernel_v = weight("kernel_v", (layers, width, experts, rank), width + rank)
        self.kernel_c = weight("kernel_c", (layers, experts, rank, rank), rank + rank)
        self.kernel_u = weight("kernel_u", (layers, experts, rank, width), rank + width)
        self.kernel_gate = weight("kernel_gate", (width, experts), width + 1)
        self.bias = self.add_weight("bias", shape=(layers, width), initializer="zeros")
        super().build(input_shape)

    def cross(self, x0: tf.Tensor) -> tf.Tensor:
        """x_L from x_0, both (batch, D), without the output layer. The layer must be built."""
        return self._crossed(x0)[-1]

    def interact(self, x: tf.Tensor, training: bool | None) -> tuple[tf.Tensor, Details]:
        crossed = self._crossed(x)
        return crossed[-1], Details(crossed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_experts": self.num_experts,
            "rank": self.rank,
            "activation": self.activation,
        }

    def _crossed(self, x0: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """x_1 to x_L."""
        width, experts, rank = x0.shape[-1], self.num_experts, self.rank
        gate = tf.cast(self.kernel_gate, x0.dtype)
        down, core, up, bias = (
            tf.unstack(tf.cast(weights, x0.dtype))
            for weights in (self.kernel_v, self.kernel_c, self.kernel_u, self.bias)
        )
        eye = tf.eye(experts, dtype=x0.dtype)[:, tf.newaxis, :, tf.newaxis]
        crossed, xl = [], x0
        hidden = [tf.ones_like(x0[:, :1])]  # each (B, K x r); the first stands for the biases
        ups, total = [], tf.ones_like(bias[0])
        for v, c, u, b in zip(down, core, up, bias, strict=True):
            kernel = tf.concat([tf.reshape(v, (width, experts * rank)), gate], axis=1)
            projected, score = tf.split(tf.matmul(xl, kernel), [experts * rank, experts], axis=1)
            # C^1 to C^K as blocks of one matrix: a batched product would transpose twice.
            blocks = tf.reshape(c[:, :, tf.newaxis, :] * eye, (experts * rank, experts * rank))
            h = self._activate(tf.matmul(self._activate(projected), blocks))
            hidden.append(h * tf.repeat(_softmax(score), rank, axis=1))
            ups.append(tf.reshape(u, (experts * rank, width)))
            total += b
            sum_up = tf.concat([total[tf.newaxis], *ups], axis=0)
            xl = x0 * tf.matmul(tf.concat(hidden, axis=1), sum_up)
            crossed.append(xl)
        return tuple(crossed)


def _softmax(scores: tf.Tensor) -> tf.Tensor:
    """Over the last axis; for the few columns of gates.

    oneDNN's kernel, which `tf.nn.softmax` takes, spends more on its set-up than on 100 rows of two
    columns: a third of the answer of a small network.
    """
    largest = tf.stop_gradient(tf.reduce_max(scores, axis=-1, keepdims=True))
    powers = tf.exp(scores - largest)
    return powers / tf.reduce_sum(powers, axis=-1, keepdims=True)
