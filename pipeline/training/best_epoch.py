"""Keeps the weights of the best epoch."""

import math
from pathlib import Path
from typing import Any

from pipeline.training.monitor import MONITORED
from pipeline.training.private_api import TensorLogsCallback
from pipeline.training.write_checkpoint import write_checkpoint


class BestEpoch(TensorLogsCallback):
    """Saves weights and optimizer at the end of every epoch whose monitored value is the highest.

    Keras' own ModelCheckpoint writes over the files of the epoch before: whoever is killed there,
    or loses power, has the weights of neither. Here the one before goes when the new one is on the
    disk.

    Args:
        folder: Folder that the checkpoint lies in.
        steps: Number of steps of an epoch.

    Attributes:
        best: The highest value so far.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        super().__init__()
        self._folder, self._steps = folder, steps
        self.best = -math.inf

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = float(logs[MONITORED])
        if value > self.best:
            step = (epoch + 1) * self._steps
            write_checkpoint(self.model.save_weights, self._folder, step, self.model, kept=1)
            self.best = value
