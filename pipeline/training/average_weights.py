"""An average of the weights over the last steps, which is what is validated and kept."""

from typing import Any

import tensorflow as tf
import tf_keras

from pipeline.training.private_api import TensorLogsCallback


class AverageWeights(tf.Module):
    """A moving average of a network's trainable weights, beside them.

        a <- a + r (w - a),  r = max(1 - decay, 1 / n) after step n

    so that the first steps have an even average. Moving statistics, such as those of batch
    normalisation, are averages already and stay out.

    Reference: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM J.
    Control and Optimization 30 (1992); with a decay as in Kingma and Ba, arXiv:1412.6980v9,
    section 7.2.

    Args:
        network: Network that is trained, its weights created.
        decay: Factor of the average at each step, in (0, 1).
    """

    def __init__(self, network: tf_keras.Model, decay: float) -> None:
        super().__init__(name="average_weights")
        self._decay = decay
        self._weights = tuple(network.trainable_variables)
        with network.distribute_strategy.scope():
            self.averages = [tf.Variable(w, trainable=False) for w in self._weights]
            self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    @tf.function(autograph=False)
    def update(self) -> None:
        """Takes the weights of another step in."""
        count = tf.cast(self.steps.assign_add(1), tf.float32)
        rate = tf.maximum(1.0 - self._decay, 1.0 / count)
        for average, weight in zip(self.averages, self._weights, strict=True):
            average.assign_add(tf.cast(rate, weight.dtype) * (weight - average))

    @tf.function(autograph=False)
    def swap(self) -> None:
        """Gives the network the average, and keeps its own weights in its place; or back again."""
        for average, weight in zip(self.averages, self._weights, strict=True):
            own, mean = tf.identity(weight), tf.identity(average)
            with tf.control_dependencies([own, mean]):
                weight.assign(mean)
                average.assign(own)


class _SwapAverage(TensorLogsCallback):
    """Swaps weights and average at an epoch's end.

    Args:
        average: The average.
    """

    def __init__(self, average: AverageWeights) -> None:
        super().__init__()
        self._average = average

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._average.swap()


class BeginAverage(_SwapAverage):
    """Averages after every step; at an epoch's end, callbacks behind it see the average."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._average.update()


class EndAverage(_SwapAverage):
    """Gives the network its own weights back, to be trained on."""
