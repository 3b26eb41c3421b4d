"""Moderate differentiation: branches may differ, by an invertible linear map."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import branch_pairs
from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.cooperation.distance import safe_norm
from models.replicas import equal_share, global_mean


@tf_keras.utils.register_keras_serializable(package="concord")
class ModerateDifferentiation(CooperationLoss):
    """Keeps every branch's representation within a learned rotation of every other's.

    With z_i the representation of branch i and W_ij a learned matrix of its pair, W_ji = W_ij^T:

        loss = mean over examples and i != j of |z_i W_ij - z_j|^2 + |z_i W_ij W_ji - z_i|^2

    The second term pulls W_ij towards an orthogonal matrix, which it is at the start: a choice
    of ours, as the paper says nothing of the start (its Figure 5c begins elsewhere then).

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, section 3.4.2, Eq. 14 and listing 1.
    Where they differ: Eq. 14 squares both norms, and is followed by default; the listing does not
    (`squared=False`). The gradient of a norm has length 1 however short its vector is. While
    embeddings are small it moves the representations more than the loglosses do, and for some
    seeds drives every unit of a top that ends in a ReLU below 0, where nothing learns any more:
    the listing's form wants a weight that rises (`warmup_steps`). The gradient at a vector of
    length 0 is 0 here, NaN in the listing.

    Diagnostics, for each pair of branches: `from_identity`, the norm (Frobenius) of W - I, and
    `from_start`, that of W less what this layer was built with.

    Example:
        >>> ModerateDifferentiation()(tf.zeros((2, 3, 8))).shape
        TensorShape([])

    Args:
        squared: Whether to square both norms.

    Call arguments:
        representations: Float tensor (batch, n, d), n >= 2.

    Returns:
        Float32 scalar: this replica's share of the mean over the global batch.

    Weights:
        transforms: (n (n - 1) / 2, d, d), of the pairs (0, 1), (0, 2), ..., (1, 2), ...
    """

    takes = ("representations",)

    def __init__(self, squared: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.squared = squared

    def build(self, input_shape: tf.TensorShape) -> None:
        pairs = branch_pairs(self.name, input_shape)
        width = input_shape[2]

        def orthogonal(
            shape: Sequence[int], dtype: tf.DType | None = None, **kwargs: Any
        ) -> tf.Tensor:
            initializer = tf_keras.initializers.Orthogonal
            return tf.stack([initializer()(shape[1:], dtype) for _ in range(shape[0])])

        shape = (len(pairs), width, width)
        with tf.init_scope():  # kept as a constant: no weight, so that checkpoints are as they were
            self._start = orthogonal(shape, tf.float32).numpy()
        self.transforms = self.add_weight(
            "transforms", shape=shape, initializer=tf_keras.initializers.Constant(self._start)
        )
        super().build(input_shape)

    def call(self, representations: tf.Tensor) -> tf.Tensor:
        pairs = branch_pairs(self.name, representations.shape)
        z = tf.unstack(tf.cast(representations, self.compute_dtype), axis=1)
        first = tf.stack([z[i] for i, _ in pairs])  # (pair, B, d)
        second = tf.stack([z[j] for _, j in pairs])
        w = self.transforms
        there = tf.matmul(first, w) - second  # z_i W_ij - z_j
        back = tf.matmul(second, w, transpose_b=True) - first  # z_j W_ji - z_i
        # z W W^T - z as z (W W^T - I): at the orthogonal start only rounding is left of it, and
        # so it is the same rounding for every example and number of replicas.
        identity = tf.eye(w.shape[-1], dtype=w.dtype)
        first_cycle = tf.matmul(first, tf.matmul(w, w, transpose_b=True) - identity)
        second_cycle = tf.matmul(second, tf.matmul(w, w, transpose_a=True) - identity)
        distance = tf.add_n(
            [self._distance(each) for each in (there, back, first_cycle, second_cycle)]
        )  # (pair, B), both directions of a pair
        return global_mean(tf.reduce_mean(distance, axis=0) / 2.0)  # n (n - 1) ordered pairs

    def diagnostics(self, tensors: Mapping[LossInput, Any]) -> dict[str, tf.Tensor]:
        w = tf.convert_to_tensor(self.transforms)
        starts = {"from_identity": tf.eye(w.shape[-1], dtype=w.dtype), "from_start": self._start}
        return {
            name: equal_share(tf.norm(w - start, axis=(1, 2))) for name, start in starts.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "squared": self.squared}

    def _distance(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.square(x), axis=-1) if self.squared else safe_norm(x)
