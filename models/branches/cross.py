"""DCN's cross network, and what all cross networks share."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Details, ReducedBranch


@tf_keras.utils.register_keras_serializable(package="concord")
class Cross(ReducedBranch):
    """Explicit crossing of ever higher order, with one vector a layer.

    On x_0 of width D, layer l with w_l and b_l in R^D:

        x_{l+1} = x_0 (w_l^T x_l) + b_l + x_l

    w_l is Glorot normal as a matrix (D, 1), b_l zero. The intermediates are x_1 to x_L.

    Reference: Wang et al., Deep & Cross Network, arXiv:1708.05123v1, section 2.2.

    Example:
        >>> Cross(2)(tf.zeros((2, 3))).shape
        TensorShape([2, 3])

    Args:
        num_layers: L, the number of cross layers.
        output_units: Width of a fully connected layer behind x_L; None leaves x_L.
        output_activation: Activation of that layer.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, output_units), or (batch, D) without an output layer.
    """

    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 3,
        output_units: int | None = None,
        output_activation: str = "relu",
        **kwargs,
    ):
        super().__init__(output_units, output_activation, **kwargs)
        if num_layers < 1:
            raise ValueError(
                f"{type(self).__name__}: `num_layers` is the number of cross layers and must be "
                f">= 1. Received: num_layers={num_layers}."
            )
        self.num_layers = num_layers

    def build(self, input_shape: tf.TensorShape) -> None:
        if len(input_shape) != 2:
            raise ValueError(
                f"{self.name}: expected flat field embeddings (batch, num_fields x embedding_dim). "
                f"Received: {tuple(input_shape)}. Feed `Embedded.flat`."
            )
        self._add_kernels(input_shape[1])
        self.biases = self._add_per_layer("bias", input_shape[1:], "zeros")
        super().build(input_shape)

    def interact(self, x0: tf.Tensor, training: bool | None) -> tuple[tf.Tensor, Details]:
        crossed, xl = [], x0
        for layer in range(self.num_layers):
            xl = self._cross(layer, x0, xl)  # (B, D)
            crossed.append(xl)
        return xl, Details(tuple(crossed))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_layers": self.num_layers}

    def _add_per_layer(
        self, name: str, shape: tuple[int, ...], initializer: str = "glorot_normal"
    ) -> list[tf.Variable]:
        return [
            self.add_weight(f"{name}_{layer}", shape=shape, initializer=initializer)
            for layer in range(self.num_layers)
        ]

    # What tells one cross network from another.

    def _add_kernels(self, width: int) -> None:
        self.kernels = self._add_per_layer("kernel", (width, 1))

    def _cross(self, layer: int, x0: tf.Tensor, xl: tf.Tensor) -> tf.Tensor:
        """x_{l+1} from x_l and x_0, all (batch, D)."""
        return x0 * tf.matmul(xl, self.kernels[layer]) + self.biases[layer] + xl
