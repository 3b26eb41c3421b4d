"""DCN-V2's cross network with full matrices."""

import tensorflow as tf
import tf_keras

from models.branches.cross import Cross


@tf_keras.utils.register_keras_serializable(package="concord")
class CrossV2(Cross):
    """Explicit crossing of ever higher order, with one full matrix a layer.

    On x_0 of width D, layer l with W_l in R^(D x D) and b_l in R^D, * elementwise:

        x_{l+1} = x_0 * (W_l x_l + b_l) + x_l                                       (Eq. 1)

    W_l is Glorot normal, b_l zero. The intermediates are x_1 to x_L.

    Reference: Wang et al., DCN V2, arXiv:2008.13535v2, section 3.

    Not a stack of `tfrs.layers.feature_interaction.Cross` (tensorflow-recommenders 0.7.7), which
    gives the same numbers, is the oracle of the tests, and compiles under XLA, takes empty batches
    and round-trips through its config as it should. But it makes its matmuls with
    `dtype=self.dtype`, the type of the weights, and not with its policy: under mixed_bfloat16 they
    stay in float32, where a step of three layers of D = 624 takes 2.9 times as long. Nor does it
    cast its second argument, x_l, which a float32 x_l makes fail.

    Example:
        >>> CrossV2(2)(tf.zeros((2, 3))).shape
        TensorShape([2, 3])

    Args:
        num_layers, output_units, output_activation: As for `Cross`.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, output_units), or (batch, D) without an output layer.
    """

    def _add_kernels(self, width: int) -> None:
        self.kernels = self._add_per_layer("kernel", (width, width))

    def _cross(self, layer: int, x0: tf.Tensor, xl: tf.Tensor) -> tf.Tensor:
        product = self._multiply(layer, xl) + self.biases[layer]
        if xl is x0:  # the first layer: x_0 * W x_0 + x_0, in one pass less
            return x0 * (product + 1.0)
        return x0 * product + xl

    def _multiply(self, layer: int, xl: tf.Tensor) -> tf.Tensor:
        """W_l x_l, (batch, D)."""
        return tf.matmul(xl, self.kernels[layer])
