"""What validation is watched for: one number made of metrics, and the patience that it is given."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.run_config import Monitored
from pipeline.training.private_api import TensorLogsCallback

MONITORED = "val_monitored"  # its name in the logs and in the history
EndsAfter = Callable[[int, float], bool]  # (epoch from 0, monitored value) -> whether to end
_UNDECIDED = 1e-3  # distance to the best value within which a falling training loss counts
_FALLS = 1e-3  # share by which the training logloss must fall to be falling


def monitored(metrics: Mapping[str, float], weights: Mapping[Monitored, float]) -> float:
    """The number that the best epoch has most of: metrics times their weights, logloss negative.

    A metric that the rows do not define, as AUC where all labels are of one class, is left out.

    Example:
        >>> monitored({"auc": 0.7, "logloss": 0.5}, {"auc": 1.0, "logloss": 1.0})
        0.19999999999999996

    Args:
        metrics: `auc`, `logloss` and `gauc` -> value, nan where it is not defined.
        weights: Metric -> weight, as in `train.monitor`.

    Returns:
        The sum; nan where none of the metrics is defined.
    """
    signed = [
        weight * (-metrics[name] if name == "logloss" else metrics[name])
        for name, weight in weights.items()
        if not math.isnan(metrics[name])
    ]
    return math.fsum(signed) if signed else math.nan


class Patience(TensorLogsCallback):
    """Ends a training whose monitored value has not risen for a while.

    An epoch without a better value is one of `patience`. It is half of one while the training
    logloss falls by a thousandth and the value is within 0.001 of the best: such a network is on a
    plateau, and one that overfits has left it. However long that was, training does not end before
    `patience_steps` steps without a better value: in a small log epochs are short.

    Args:
        patience: Number of epochs.
        patience_steps: Number of steps.
        steps_per_epoch: Steps of an epoch.
    """

    def __init__(self, patience: int, patience_steps: int, steps_per_epoch: int) -> None:
        super().__init__()
        self._patience, self._patience_steps = patience, patience_steps
        self._steps_per_epoch = steps_per_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        self.best, self.wait, self.epochs_since = -math.inf, 0.0, 0
        self.training_logloss = math.inf

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value, training = float(logs[MONITORED]), float(logs["logloss"])
        falls = training < (1.0 - _FALLS) * self.training_logloss
        self.training_logloss = training
        if value > self.best:
            self.best, self.wait, self.epochs_since = value, 0.0, 0
            return
        self.wait += 0.5 if falls and value > self.best - _UNDECIDED else 1.0
        self.epochs_since += 1
        steps = self.epochs_since * self._steps_per_epoch
        if self.wait >= self._patience and steps >= self._patience_steps:
            self.model.stop_training = True


class EndWhenAsked(TensorLogsCallback):
    """Ends a training after an epoch if somebody else says so, such as a search for settings.

    Args:
        ends: Asked after every epoch.
    """

    def __init__(self, ends: EndsAfter) -> None:
        super().__init__()
        self._ends = ends

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._ends(epoch, float(logs[MONITORED])):
            self.model.stop_training = True
