"""The callback that traces a few steps: where their time goes, and how well they use it."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.training.private_api import TensorLogsCallback, read_trace
from pipeline.training.step_time import Scopes, StepTime, read_spans, step_time
from pipeline.training.utilization import Utilization, utilization

log = logging.getLogger(__name__)


class TracedSteps(TensorLogsCallback):
    """Traces a few steps of the first epoch, logs where their time went; keeps it as `measured`.

    Costs tracing of `steps` steps, about a tenth of a second for each thousand operations, once.
    Measures nothing while another profile is taken, on GPUs, or when an epoch is too short.

    Args:
        steps_per_epoch: Number of steps of an epoch.
        batch_size: Examples of a step in this process, for the utilization.
        steps: Least number of steps to trace.
        first: The first of them; earlier where the epoch is short, never the very first ones,
            which compile.
    """

    def __init__(
        self, steps_per_epoch: int, batch_size: float, steps: int = 5, first: int = 50
    ) -> None:
        super().__init__()
        self._steps, self._batch_size = steps, batch_size
        self._first = max(min(first, steps_per_epoch // 2), 3)
        self._folder: tempfile.TemporaryDirectory | None = None
        self._done = bool(tf.config.list_physical_devices("GPU"))
        self.measured: StepTime | None = None
        self.utilization: Utilization | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._seen = 0  # executions, in this process

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._seen += 1
        if self._done or self._seen < 3 or batch < self._first:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="step_time_")
            self._begun = batch
            try:
                tf.profiler.experimental.start(self._folder.name)
            except tf.errors.AlreadyExistsError:
                self._leave(self._folder)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._folder is None:
            return
        traced = batch + 1 - self._begun
        if traced >= self._steps:
            tf.profiler.experimental.stop()
            self._measure(self._folder, traced)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._folder is not None:
            tf.profiler.experimental.stop(save=False)
            self._leave(self._folder)

    def _measure(self, folder: tempfile.TemporaryDirectory, steps: int) -> None:
        space = read_trace(Path(folder.name).rglob("*.xplane.pb"))
        spans = read_spans(space, Scopes.of(self.model))
        self._leave(folder)
        if spans:
            self.measured = step_time(spans, steps, nanoseconds=1e-3)
            log.info("%s", self.measured)
            self.utilization = utilization(self.model, self.measured, self._batch_size)
            log.info("%s", self.utilization)

    def _leave(self, folder: tempfile.TemporaryDirectory) -> None:
        folder.cleanup()
        self._folder, self._done = None, True
