"""A TensorBoard profile of chosen steps."""

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf

from features.errors import ConfigError
from pipeline.training.private_api import TensorLogsCallback

log = logging.getLogger(__name__)


class Profile(TensorLogsCallback):
    """Writes a profile of some steps, for the Profile tab of TensorBoard.

    Keras' TensorBoard callback could do so too, but counts executions where
    `steps_per_execution` is above 1, and says nothing when training ends before the first step.

    Args:
        folder: Folder of TensorBoard; the profile goes to `plugins/profile` in it.
        steps: The first and the last step to trace, counted from 1 through all epochs of this
            process. Step 1 compiles.
        steps_per_execution: As the network is compiled. Whole executions are traced.

    Raises:
        ConfigError: The steps do not follow each other.
    """

    def __init__(
        self, folder: Path | str, steps: tuple[int, int], steps_per_execution: int = 1
    ) -> None:
        super().__init__()
        self._steps_per_execution = steps_per_execution
        self._folder, (self._first, self._last) = str(folder), steps
        if not 1 <= self._first <= self._last:
            raise ConfigError(
                "train.profile_steps must be [first, last] with 1 <= first <= last. "
                f"Received: {list(steps)}. Steps count from 1; [100, 110] traces eleven."
            )
        self._active = self._done = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._before = self._step = 0  # steps of earlier epochs; steps so far

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._offset: int | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._offset is None:  # a resumed epoch does not begin at batch 0
            self._offset = self._before - batch
        upcoming = batch + self._offset + self._steps_per_execution
        if not self._active and not self._done and upcoming >= self._first:
            try:
                tf.profiler.experimental.start(self._folder)
            except tf.errors.AlreadyExistsError:
                return  # `TracedSteps` traces: begin when it has ended
            self._active, self._begun = True, batch + self._offset + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._before = self._step = batch + (self._offset or 0) + 1
        if self._active and self._step >= self._last:
            self._stop()

    def on_train_end(self, logs: Any = None) -> None:
        if self._active:
            self._stop()
        elif not self._done:
            log.warning(
                "no profile: training ended at step %s, before train.profile_steps=[%d, %d]",
                f"{self._step:,}",
                self._first,
                self._last,
            )

    def _stop(self) -> None:
        tf.profiler.experimental.stop()
        self._active, self._done = False, True
        log.info(
            "profile of steps %s to %s: tensorboard --logdir %s (with tensorboard-plugin-profile)",
            f"{self._begun:,}",
            f"{self._step:,}",
            self._folder,
        )
