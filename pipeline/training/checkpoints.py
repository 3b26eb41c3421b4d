"""Checkpoints of everything that the rest of a training depends on, and the way back."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from pipeline.batches.position import Position
from pipeline.runs.checkpoint_files import checkpoints_in, damage_of, keep_only
from pipeline.training.average_weights import AverageWeights
from pipeline.training.best_epoch import BestEpoch
from pipeline.training.cluster import is_chief
from pipeline.training.monitor import Patience
from pipeline.training.private_api import TensorLogsCallback, random_generators
from pipeline.training.strategy import training_strategy, write_path
from pipeline.training.write_checkpoint import write_checkpoint

log = logging.getLogger(__name__)

# What the callbacks carry from one epoch to the next.
_CARRIED = {
    Patience: ("best", "wait", "epochs_since", "training_logloss"),
    tf_keras.callbacks.ReduceLROnPlateau: ("wait", "cooldown_counter", "best"),
    BestEpoch: ("best",),
    tf_keras.callbacks.History: ("history", "epoch"),
}
_KEPT = 2  # checkpoints: the last, and one to fall back on
_ASK_OTHERS_EVERY = 50  # batches: several workers agree on the moment by a message


class Checkpoints(TensorLogsCallback):
    """Saves a training at every epoch's end and every few seconds inside an epoch.

    A checkpoint holds weights, their average and moving statistics, the optimizer (slots,
    iterations, learning rate), the generators of dropout, the means of the epoch's loss terms, the
    position in the data, and the state of the other callbacks with the history. It is written under
    a name of its own; only then the one before the last is removed: a process that is killed at any
    moment leaves a whole one, and where the last one is damaged, training continues from the other.

    Must be the last callback: it saves what the others decided, and restores after they began.

    Args:
        folder: Folder that checkpoints lie in, the last two.
        network: Network that is trained: compiled, its optimizer built.
        fingerprint: Fingerprint of the run; a checkpoint of another one is not used.
        steps: Number of steps of an epoch.
        every_seconds: Time between two checkpoints inside an epoch.
        callbacks: The other callbacks of the training.
        average: The average of the weights, where there is one.
    """

    def __init__(
        self,
        folder: Path,
        network: tf_keras.Model,
        fingerprint: str,
        steps: int,
        every_seconds: float,
        callbacks: Sequence[tf_keras.callbacks.Callback],
        average: AverageWeights | None = None,
    ) -> None:
        super().__init__()
        self._folder, self._network = folder, network
        self._fingerprint, self._steps = fingerprint, steps
        self._every_seconds, self._next_save = every_seconds, 0.0
        self._others = [callback for callback in callbacks if type(callback) in _CARRIED]
        self._state = _JsonState({})
        self._checkpoint = tf.train.Checkpoint(
            network=network,
            generators=random_generators(network),
            means=[variable for metric in network.metrics for variable in metric.variables],
            noted=self._state,
            **({} if average is None else {"average": average}),
        )
        _ = self._checkpoint.save_counter  # which TensorFlow adds to what it restores
        self._write_folder = write_path(folder)
        self._restored_means: list[Any] = []
        self._began = time.monotonic()
        self.position = Position(0, 0)
        self.stopped = False
        self.seconds_before = 0.0

    def restore(self) -> Path | None:
        """Goes back to the latest checkpoint of this run, if there is one, and returns its path.

        Sets `position`, the next batch; `stopped`, whether training had stopped early; and
        `seconds_before`, spent until then. One that is damaged is named in a warning.

        Raises:
            ConfigError: Those that there are cannot be read.
        """
        path = self._latest_whole()
        if path is None:
            return None
        self._checkpoint.restore(str(path)).assert_consumed()
        state = self._state.content
        self.position = Position(state["epoch"], state["batch"])
        self.stopped, self.seconds_before = state["stopped"], state["seconds"]
        self._restore_others()
        if self.position.batch:
            self._restored_means = [mean.numpy() for mean in self._checkpoint.means]
        if is_chief():
            keep_only(self._folder, [path])
        return path

    def _latest_whole(self) -> Path | None:
        """The latest that can be read, where it is of this run."""
        damaged = ""
        for path in checkpoints_in(self._folder):
            damage = damage_of(path)
            if damage is None:
                saved = _JsonState({})
                tf.train.Checkpoint(noted=saved).read(str(path)).expect_partial()
                return path if saved.content.get("fingerprint") == self._fingerprint else None
            damaged = f"{path} is damaged: {damage}"
            log.warning("%s", damaged)
        if damaged:
            raise ConfigError(
                f"{damaged}. No other checkpoint of this training is left to continue from. Copy "
                "it again from where it was whole, or begin again with --restart."
            )
        return None

    def on_train_begin(self, logs: Any = None) -> None:
        self._restore_others()  # they have just forgotten what they were told
        self._began = time.monotonic()
        self._next_save = self._began + self._every_seconds

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.position = Position(epoch, self.position.batch)
        for variable, value in zip(self._checkpoint.means, self._restored_means, strict=False):
            variable.assign(value)  # Keras has just reset them
        self._restored_means = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done = batch + 1
        before, self.position = self.position.batch, Position(self.position.epoch, done)
        if done >= self._steps or not self._due(before, done):
            return  # the end of an epoch has a checkpoint of its own, after validation
        if self._network.divergence() is None:
            self._save()
        self._next_save = time.monotonic() + self._every_seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.position = Position(epoch + 1, 0)
        self._save()
        self._next_save = time.monotonic() + self._every_seconds

    def _restore_others(self) -> None:
        """Gives the other callbacks their state of the checkpoint, if one was restored."""
        contents = self._state.content.get("callbacks", [{}] * len(self._others))
        for callback, content in zip(self._others, contents, strict=True):
            for name, value in content.items():
                setattr(callback, name, value)

    def _due(self, before: int, done: int) -> bool:
        due = time.monotonic() >= self._next_save
        strategy = training_strategy()
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return due
        # Every process saves, because some variables are averaged over all on the way.
        if before // _ASK_OTHERS_EVERY == done // _ASK_OTHERS_EVERY:
            return False
        votes = strategy.run(lambda: tf.constant(float(due)))
        return float(strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)) > 0.0

    def _save(self) -> None:
        self._state.content = {
            "fingerprint": self._fingerprint,
            "epoch": self.position.epoch,
            "batch": self.position.batch,
            "stopped": bool(self._network.stop_training),
            "seconds": self.seconds_before + time.monotonic() - self._began,
            "callbacks": [_carried(callback) for callback in self._others],
        }
        step = self.position.epoch * self._steps + self.position.batch
        write_checkpoint(self._checkpoint.write, self._write_folder, step, self._network, _KEPT)


class _JsonState(tf.train.experimental.PythonState):
    """JSON inside a checkpoint."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def serialize(self) -> str:
        return json.dumps(self.content)

    def deserialize(self, string_value: bytes) -> None:
        self.content = json.loads(string_value)


def _carried(callback: tf_keras.callbacks.Callback) -> dict[str, Any]:
    return {name: _plain(getattr(callback, name)) for name in _CARRIED[type(callback)]}


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python, which JSON writes without loss."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
