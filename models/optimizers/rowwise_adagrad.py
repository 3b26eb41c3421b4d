"""Row-wise Adagrad: one number of state for a whole row."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.embeddings.row_slots import RowSlots
from models.optimizers.row_optimizer import RowOptimizer
from models.optimizers.schedules import LearningRate


@tf_keras.utils.register_keras_serializable(package="concord")
class RowwiseAdagrad(RowOptimizer):
    """Adagrad that keeps the mean square of a row's gradient instead of each column's square.

    For each segment (the D columns of one embedding set, or one first-order weight) of a row:

        a = a + mean(g^2)
        w = w - learning_rate g / (sqrt(a) + epsilon)

    The state is a number for D weights, where Adam keeps 2 D. Rows that no batch reads rest, as
    under Adagrad anyway.

    Reference: exact row-wise Adagrad of FBGEMM and TorchRec (`EXACT_ROWWISE_ADAGRAD`), with which
    Wukong trains its tables (Zhang et al., arXiv:2403.02545, section 5).

    Example:
        >>> table = tf.Variable(tf.zeros([2, 2]))
        >>> rows = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([0]))
        >>> _ = RowwiseAdagrad(0.1).apply_gradients([(rows, table)])
        >>> (table.numpy() * 1000).round().tolist()  # 0.1 / sqrt(12.5) = 0.0283
        [[-85.0, -113.0], [0.0, 0.0]]

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        initial_accumulator_value: What `a` starts from; 0 as in FBGEMM (tf_keras' Adagrad: 0.1).
        epsilon: Added to the root.
        name: Name of the optimizer.
        **kwargs: Arguments of `tf_keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 1e-2,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-8,
        name: str = "RowwiseAdagrad",
        **kwargs: Any,
    ):
        if not (initial_accumulator_value >= 0.0 and epsilon > 0.0):
            raise ValueError(
                "RowwiseAdagrad: `initial_accumulator_value` must be >= 0 and `epsilon` > 0. "
                f"Received: initial_accumulator_value={initial_accumulator_value}, "
                f"epsilon={epsilon}."
            )
        super().__init__(learning_rate, name, **kwargs)
        self.initial_accumulator_value = float(initial_accumulator_value)
        self.epsilon = float(epsilon)

    @property
    def row_slots(self) -> RowSlots:
        return RowSlots(per_segment=1, initial=self.initial_accumulator_value)

    def new_rows(
        self,
        weights: tf.Tensor,
        gradient: tf.Tensor,
        state: list[tf.Tensor],
        segments: tuple[int, ...],
    ) -> list[tf.Tensor]:
        squares = tf.split(tf.square(gradient), list(segments), axis=1)
        means = [tf.reduce_mean(square, axis=1, keepdims=True) for square in squares]
        accumulators = state[0] + tf.concat(means, axis=1)  # (rows, segments)
        steps = tf.cast(self.learning_rate, weights.dtype) / (tf.sqrt(accumulators) + self.epsilon)
        if len(segments) > 1:
            segment_of = [i for i, width in enumerate(segments) for _ in range(width)]
            steps = tf.gather(steps, segment_of, axis=1)  # (rows, C)
        return [weights - steps * gradient, accumulators]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.serialized_learning_rate,
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
