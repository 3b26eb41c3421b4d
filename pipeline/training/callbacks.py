"""What happens beside the steps: validation, the guard against divergence, progress."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from features.errors import TrainingError

log = logging.getLogger(__name__)


class Validation(tf_keras.callbacks.Callback):
    """Puts exact validation metrics into the epoch's logs, where the callbacks after it look.

    Args:
        evaluate: Called without arguments; returns log name -> value, such as `val_auc`.
    """

    _supports_tf_logs = True  # this and the flags below spare a copy of the logs at every step

    def __init__(self, evaluate: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self._evaluate = evaluate

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs.update(self._evaluate())


class DivergenceGuard(tf_keras.callbacks.Callback):
    """Stops training when a loss term was not finite at some step.

    The network notes the step; this looks at the note every `every_seconds` and at the end of
    each epoch, before a checkpoint is written.

    Raises:
        TrainingError: Names the term, the step and the last good checkpoint.
    """

    _supports_tf_logs = True

    def __init__(self, last_checkpoint: Callable[[], str | None], every_seconds: float) -> None:
        super().__init__()
        self._last_checkpoint = last_checkpoint
        self._every = every_seconds
        self._next = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self._check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check()

    def _check(self) -> None:
        found = self.model.divergence()
        if found is None:
            return
        term, step = found
        rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        checkpoint = self._last_checkpoint()
        raise TrainingError(
            f"{term} became nan or infinite at step {step:,} (train.learning_rate={rate:g}). "
            + (f"Last good checkpoint: {checkpoint}. " if checkpoint else "No checkpoint yet. ")
            + "Lower train.learning_rate, or look for extreme values in numeric features."
        )


class Progress(tf_keras.callbacks.Callback):
    """A line every few seconds: step, loss terms, examples per second, time left.

    Args:
        steps_per_epoch: Steps of an epoch.
        epochs: Most epochs.
        batch_size: Examples of a step, over all replicas.
        every_seconds: Time between two lines.
    """

    _supports_tf_logs = True

    def __init__(
        self, steps_per_epoch: int, epochs: int, batch_size: int, every_seconds: float
    ) -> None:
        super().__init__()
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._batch_size = batch_size
        self._every = every_seconds

    def on_train_begin(self, logs: Any = None) -> None:
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._last = now = time.monotonic()
        step = batch + 1
        if step == 1:  # the first step of a run compiles: it says nothing of the rate
            self._first = self._told = now
            self._told_step = step
        if now - self._told < self._every:
            return
        rate = (step - self._told_step) / (now - self._told)
        left = (self._steps_per_epoch - step) / rate
        terms = "  ".join(f"{name} {float(value):.4f}" for name, value in logs.items())
        log.info(
            "epoch %d/%d  step %s/%s  %s  %s examples/s  epoch ends in %s",
            self._epoch + 1,
            self._epochs,
            f"{step:,}",
            f"{self._steps_per_epoch:,}",
            terms,
            f"{rate * self._batch_size:,.0f}",
            duration(left),
        )
        self._told, self._told_step = now, step

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.monotonic() - self._started
        left = seconds * (self._epochs - epoch - 1)
        steps = self._steps_per_epoch - 1  # between the ends of the first and of the last one
        rate = steps * self._batch_size / (self._last - self._first) if steps else 0.0
        log.info(
            "epoch %d/%d  logloss %.4f  valid: logloss %.4f  auc %.4f  "
            "%s examples/s  %s, at most %s left",
            epoch + 1,
            self._epochs,
            float(logs["logloss"]),
            logs["val_logloss"],
            logs["val_auc"],
            f"{rate:,.0f}" if rate else "?",
            duration(seconds),
            duration(left),
        )


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(260)
        '4m20s'
    """
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
