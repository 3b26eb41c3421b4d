"""Lazy Adam: Adam that touches only the rows a batch read."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.embeddings.row_slots import RowSlots
from models.optimizers.row_optimizer import RowOptimizer
from models.optimizers.schedules import LearningRate

_ONE = 0x3F800000  # the bits of 1.0f


@tf_keras.utils.register_keras_serializable(package="concord")
class LazyAdam(RowOptimizer):
    """Adam for embedding tables: rows that a batch did not read keep weights and moments.

    With g the gradient of a row that was read and t the number of the step, from 1:

        m = m + (1 - beta_1) (g - m)
        v = v + (1 - beta_2) (g^2 - v)
        w = w - learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon_t)

    Where every row is read at every step, and for dense gradients, this is
    `tf_keras.optimizers.Adam`. The bias correction is that of the step, not of the row.

    With `correct_skipped`, the moments of a row that k steps passed over first decay by beta_1^k
    and beta_2^k, as dense Adam's would have; weights still rest while no batch reads them. A step
    that was not applied (`models.network.guarded_update`) counts as one that passed over every row.

    A row is [w | m | v], and [w | m | v | last step] with `correct_skipped`: `last_step` reads it.

    Reference: Kingma and Ba, arXiv:1412.6980, the last form of section 2 (and algorithm 1 with
    `adaptive_epsilon`); `LazyAdam` of TensorFlow Addons; `torch.optim.SparseAdam`.

    Example:
        >>> table = tf.Variable(tf.zeros([3, 1]))
        >>> rows = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([1]), tf.constant([3, 1]))
        >>> _ = LazyAdam(0.5).apply_gradients([(rows, table)])
        >>> table.numpy().round(3).ravel().tolist()
        [0.0, -0.5, 0.0]

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: 1e-7 as in tf_keras; PyTorch, and with it reczoo/FuxiCTR, has 1e-8. Gradients of
            a mean over a large batch are of this size, so it matters.
        adaptive_epsilon: Whether epsilon_t is epsilon x sqrt(1 - beta_2^t), as in PyTorch and in
            the paper's algorithm 1, rather than epsilon.
        correct_skipped: Whether moments decay for the steps that passed over a row.
        name: Name of the optimizer.
        **kwargs: Arguments of `tf_keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        adaptive_epsilon: bool = False,
        correct_skipped: bool = False,
        name: str = "LazyAdam",
        **kwargs: Any,
    ):
        if not (0.0 <= beta_1 < 1.0 and 0.0 <= beta_2 < 1.0 and epsilon >= 0.0):
            raise ValueError(
                "LazyAdam: `beta_1` and `beta_2` must be in [0, 1), `epsilon` >= 0. "
                f"Received: beta_1={beta_1}, beta_2={beta_2}, epsilon={epsilon}."
            )
        super().__init__(learning_rate, name, **kwargs)
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)
        self.epsilon, self.adaptive_epsilon = float(epsilon), bool(adaptive_epsilon)
        self.correct_skipped = bool(correct_skipped)

    @property
    def row_slots(self) -> RowSlots:
        return RowSlots(per_column=2, per_row=int(self.correct_skipped))

    def new_rows(
        self,
        weights: tf.Tensor,
        gradient: tf.Tensor,
        state: list[tf.Tensor],
        segments: tuple[int, ...],
    ) -> list[tf.Tensor]:
        m, v, *last = state
        if self.correct_skipped:
            step = tf.cast(self.iterations + 1, tf.int32)
            skipped = step - 1 - last_step(last[0])  # (rows, 1)
            # Below 0 where the rows are older than a count that began again.
            skipped = tf.cast(tf.maximum(skipped, 0), m.dtype)
            m *= tf.pow(tf.constant(self.beta_1, m.dtype), skipped)
            v *= tf.pow(tf.constant(self.beta_2, v.dtype), skipped)
            last = [tf.fill(tf.shape(skipped), tf.bitcast(step + _ONE, tf.float32))]
        m += (gradient - m) * (1.0 - self.beta_1)
        v += (tf.square(gradient) - v) * (1.0 - self.beta_2)
        rate, epsilon = adam_scalars(self)
        weights -= m * rate / (tf.sqrt(v) + epsilon)
        return [weights, m, v, *last]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.serialized_learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "adaptive_epsilon": self.adaptive_epsilon,
            "correct_skipped": self.correct_skipped,
        }


def last_step(column: tf.Tensor) -> tf.Tensor:
    """The step at which rows were last moved, from the last column of their state.

    The column holds an int32 in the bits of its float32, exact where a float32 would only be so up
    to 2^24. It counts from the bits of 1.0, as processors may take the smallest floats for 0. In a
    row that was never moved it is 0.0, which reads as about -1e9; moments of 0 stay 0.
    """
    return tf.bitcast(column, tf.int32) - _ONE


def adam_scalars(optimizer: tf_keras.optimizers.Optimizer) -> tuple[tf.Tensor, tf.Tensor]:
    """The learning rate with Adam's bias correction, and epsilon_t; float32 scalars.

    Taken in float64: 1 - beta_2^t is 1e-3 at the first step, of which float32 keeps 5 digits.
    """
    step = tf.cast(optimizer.iterations + 1, tf.float64)
    correction_1 = 1.0 - tf.pow(tf.constant(optimizer.beta_1, tf.float64), step)
    correction_2 = tf.sqrt(1.0 - tf.pow(tf.constant(optimizer.beta_2, tf.float64), step))
    rate = tf.cast(optimizer.learning_rate, tf.float64) * correction_2 / correction_1
    epsilon = optimizer.epsilon * (correction_2 if optimizer.adaptive_epsilon else 1.0)
    return tf.cast(rate, tf.float32), tf.cast(epsilon, tf.float32)
