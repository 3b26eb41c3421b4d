"""DCN-V2's cross network with matrices of low rank."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.cross_v2 import CrossV2


@tf_keras.utils.register_keras_serializable(package="concord")
class LowRankCross(CrossV2):
    """Explicit crossing of ever higher order, with two thin matrices a layer.

    `CrossV2` with W_l = U_l V_l^T, U_l and V_l in R^(D x r), * elementwise:

        x_{l+1} = x_0 * (U_l (V_l^T x_l) + b_l) + x_l                               (Eq. 2)

    2 D r numbers a layer instead of D^2. U and V are Glorot normal, b zero; the intermediates are
    x_1 to x_L. `tfrs`' `Cross(projection_dim=r)` calls the first factor U and the second V; why it
    is not used here, see `CrossV2`. `MultiLayerDCN` (tfrs 0.7.7), the same in one layer, shares
    its types and hides x_1 to x_{L-1}.

    Reference: Wang et al., DCN V2, arXiv:2008.13535v2, section 3; it advises r = D / 4.

    Example:
        >>> LowRankCross(2, rank=1)(tf.zeros((2, 3))).shape
        TensorShape([2, 3])

    Args:
        num_layers, output_units, output_activation: As for `Cross`.
        rank: r, the width in between.

    Call arguments:
        x: Float tensor (batch, D).

    Returns:
        (batch, output_units), or (batch, D) without an output layer.
    """

    def __init__(
        self,
        num_layers: int = 3,
        rank: int = 32,
        output_units: int | None = None,
        output_activation: str = "relu",
        **kwargs,
    ):
        super().__init__(num_layers, output_units, output_activation, **kwargs)
        if rank < 1:
            raise ValueError(
                "LowRankCross: `rank` is the width between the two matrices and must be >= 1. "
                f"Received: rank={rank}. A quarter of the input's width is a start."
            )
        self.rank = rank

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rank": self.rank}

    def _add_kernels(self, width: int) -> None:
        self.kernels_v = self._add_per_layer("kernel_v", (width, self.rank))
        self.kernels_u = self._add_per_layer("kernel_u", (self.rank, width))  # U^T

    def _multiply(self, layer: int, xl: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.matmul(xl, self.kernels_v[layer]), self.kernels_u[layer])
