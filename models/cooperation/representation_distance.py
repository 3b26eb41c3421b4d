"""Plain distance between branches: the ablation of moderate differentiation."""

from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import branch_pairs, check_choice
from models.cooperation.cooperation_loss import CooperationLoss
from models.cooperation.distance import safe_norm
from models.replicas import global_mean

Direction = Literal["minimal", "maximal"]


@tf_keras.utils.register_keras_serializable(package="concord")
class RepresentationDistance(CooperationLoss):
    """Draws the branches' representations together, or drives them apart.

        loss = +- mean over examples and pairs i < j of |z_i - z_j|

    with + for `minimal` and - for `maximal`, which has no lower bound. The paper gives no weight
    for either; the presets take its 0.1 of moderate differentiation.

    Reference: the ablation "minimal / maximal L2 distance" of Chen et al., MBCnet,
    arXiv:2411.13057v2, Table 5.

    Example:
        >>> RepresentationDistance("minimal")(tf.zeros((2, 3, 8))).shape
        TensorShape([])

    Args:
        direction: `minimal` or `maximal`: what the loss makes of the distance.

    Call arguments:
        representations: Float tensor (batch, n, d), n >= 2.

    Returns:
        Float32 scalar: this replica's share of the mean over the global batch.
    """

    takes = ("representations",)

    def __init__(self, direction: Direction = "minimal", **kwargs):
        super().__init__(**kwargs)
        check_choice("RepresentationDistance", "direction", direction, get_args(Direction))
        self.direction = direction

    def call(self, representations: tf.Tensor) -> tf.Tensor:
        pairs = branch_pairs(self.name, representations.shape)
        z = tf.unstack(tf.cast(representations, self.compute_dtype), axis=1)
        distance = tf.stack([safe_norm(z[i] - z[j]) for i, j in pairs], axis=1)  # (B, pair)
        sign = 1.0 if self.direction == "minimal" else -1.0
        return sign * global_mean(tf.reduce_mean(distance, axis=1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "direction": self.direction}
