"""What happens beside the steps: validation, the guard against divergence, progress."""

import itertools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from features.bundle import Bundle
from features.errors import TrainingError
from models.network import CooperativeNetwork
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.branch_life import branch_life, constant_predictions
from pipeline.evaluation.scores import FUSED, predict_split, scores_of
from pipeline.runs.checkpoint_files import latest_checkpoint
from pipeline.runs.run_dir import RunDir
from pipeline.training.average_weights import AverageWeights, BeginAverage, EndAverage
from pipeline.training.best_epoch import BestEpoch
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.cluster import cluster_for, is_chief
from pipeline.training.monitor import (
    MONITORED,
    EndsAfter,
    EndWhenAsked,
    Patience,
    monitored,
)
from pipeline.training.private_api import TensorLogsCallback
from pipeline.training.profile import Profile
from pipeline.training.step_curves import StepCurves
from pipeline.training.strategy import predicting, write_path
from pipeline.training.traced_steps import TracedSteps

log = logging.getLogger(__name__)


class Validation(TensorLogsCallback):
    """Puts exact validation metrics into the epoch's logs, where the callbacks after it look.

    Args:
        evaluate: Called without arguments; returns log name -> value, such as `val_auc`.
    """

    def __init__(self, evaluate: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self._evaluate = evaluate

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs.update(self._evaluate())


class DivergenceGuard(TensorLogsCallback):
    """Stops training when a loss term was not finite at some step.

    The network notes the step; this looks at the note every `every_seconds` and at the end of
    each epoch, before a checkpoint is written.

    Args:
        last_checkpoint: Called without arguments; returns the path of the last good checkpoint.
        every_seconds: Time between two looks at the note inside an epoch.

    Raises:
        TrainingError: Names the term, the step and the last good checkpoint.
    """

    def __init__(self, last_checkpoint: Callable[[], Path | None], every_seconds: float) -> None:
        super().__init__()
        self._last_checkpoint = last_checkpoint
        self._every_seconds = every_seconds
        self._next = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_seconds
            self._check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check()

    def _check(self) -> None:
        divergence = self.model.divergence()
        if divergence is None:
            return
        term, step = divergence
        rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        checkpoint = self._last_checkpoint()
        raise TrainingError(
            f"{term} became nan or infinite at step {step:,} (train.learning_rate={rate:g}). "
            + (f"Last good checkpoint: {checkpoint}. " if checkpoint else "No checkpoint yet. ")
            + "Lower train.learning_rate, or look for extreme values in numeric features."
        )


class ConstantPredictions(TensorLogsCallback):
    """Stops training when the network says the same of every validation row.

    After the first epoch that is an error: nothing was learnt. Later the best epoch is kept, and
    training ends with a warning. A branch that says the same of every row beside others that do
    not is named once. Where validation labels are of one class there is nothing to tell apart.

    Raises:
        TrainingError: Names the predictions, how they came about and what helps.
    """

    def __init__(self) -> None:
        super().__init__()
        self._named: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if math.isnan(logs.get("val_auc", math.nan)):
            return
        spread = {
            name.removeprefix("val_spread_") if name != "val_spread" else FUSED: value
            for name, value in logs.items()
            if name.startswith("val_spread")
        }
        constant = constant_predictions(spread)
        if FUSED in constant:
            self._stop(epoch, logs, spread)
            return
        for branch in set(constant) - self._named:
            log.warning(
                "branch %s says the same of every validation row after epoch %d: it has learnt "
                "nothing, and the fusion only carries it along",
                branch,
                epoch + 1,
            )
        self._named |= set(constant)

    def _stop(self, epoch: int, logs: Mapping[str, float], spread: Mapping[str, float]) -> None:
        dead = [
            f"{name.removeprefix('val_dead_units_')} {value:.0f}"
            for name, value in logs.items()
            if name.startswith("val_dead_units_")
        ]
        what = (
            f"the network says the same of every validation row after epoch {epoch + 1}: its "
            f"logits differ by {spread[FUSED]:.1g} at most (dead units of the branches' last "
            f"layers: {', '.join(dead) or 'not counted'}). "
        )
        if epoch:
            log.warning("%sTraining ends; the weights of the best epoch before it are kept", what)
            self.model.stop_training = True
            return
        raise TrainingError(
            what + "It has learnt nothing and is not kept. Lower train.learning_rate, let the "
            "weight of a cooperation loss rise (model.cooperation.NAME.warmup_steps=100), or start "
            "from larger rows (model.embedding.stddev=0.05)."
        )


class TimeLimit(TensorLogsCallback):
    """Ends a training after so many seconds; the last epoch is validated as far as it went.

    Attributes:
        cut_after: The seconds, once they have ended a training; else None.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.cut_after: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._end = time.monotonic() + self._seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.monotonic() >= self._end and not self.model.stop_training:
            log.warning("train.max_seconds=%g are over: training ends here", self._seconds)
            self.model.stop_training = True
            self.cut_after = self._seconds


class Progress(TensorLogsCallback):
    """A line every few seconds: step, loss terms, examples per second, time left.

    After an epoch a second line has what the losses and the branches show beside their values.

    Args:
        steps_per_epoch: Steps of an epoch.
        epochs: Most epochs.
        batch_size: Examples of a step, over all replicas.
        every_seconds: Time between two lines.
        beside: Names of what the logs hold beside loss terms; such a name is in no line of a step.
        branch_names: Names of the branches: what `beside` has of each pair of them is in no line.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        epochs: int,
        batch_size: int,
        every_seconds: float,
        beside: Sequence[str] = (),
        branch_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._beside = tuple(beside)
        self._pairs = tuple(f"_{a}_{b}" for a, b in itertools.combinations(branch_names, 2))
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._batch_size = batch_size
        self._every_seconds = every_seconds

    def on_train_begin(self, logs: Any = None) -> None:
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._started = time.monotonic()
        self._first_step = self._last_step = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._last = now = time.monotonic()
        self._last_step = step = batch + 1
        if not self._first_step:  # the first steps of a run compile: they say nothing of the rate
            self._first = self._told = now
            self._first_step = self._told_step = step
        if now - self._told < self._every_seconds:
            return
        rate = (step - self._told_step) / (now - self._told)
        left = (self._steps_per_epoch - step) / rate
        logs = logs.fetch() if hasattr(logs, "fetch") else logs  # of a parameter server's worker
        terms = "  ".join(
            f"{name} {shown(float(value))}"
            for name, value in logs.items()
            if name not in self._beside
        )
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
        steps = self._last_step - self._first_step  # some may have run before an interruption
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
        beside = [
            f"{name} {shown(float(logs[name]))}"
            for name in self._beside
            if name in logs and not name.endswith(self._pairs)
        ]
        beside += _of_branches(logs)
        if beside:
            log.info("epoch %d/%d  %s", epoch + 1, self._epochs, "  ".join(beside))


def _of_branches(logs: Mapping[str, float]) -> list[str]:
    """Of what is noted of every branch, or pair of branches, the sum or the least."""

    def values_of(name: str) -> list[float]:
        return [float(logs[key]) for key in logs if key.startswith(f"val_{name}_")]

    counts = {name: sum(values_of(name)) for name in ("dead_units", "saturated_units")}
    words = [f"{name} {count:.0f}" for name, count in counts.items() if count]
    correlations = values_of("correlation")
    return [*words, f"least correlation {shown(min(correlations))}"] if correlations else words


def training_callbacks(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    steps: int,
    network: CooperativeNetwork,
    ends: EndsAfter | None = None,
) -> list[tf_keras.callbacks.Callback]:
    """All of a training, in the order in which they look at an epoch's end.

    Args:
        config: Configuration of the run.
        bundle: Data bundle that is trained on.
        run: Folder that checkpoints and logs go to.
        steps: Number of steps of an epoch.
        network: Network that is trained: compiled, its optimizer built.
        ends: Asked after every epoch whether the training ends there.
    """
    average = None
    if config.train.average is not None:
        average = AverageWeights(network, config.train.average)
    callbacks = [
        *([] if average is None else [BeginAverage(average)]),
        *_watching(config, bundle, run, steps, network),
        *_choosing(config, run, steps, average),
        *([] if ends is None else [EndWhenAsked(ends)]),
        *_measuring(config, run, steps),
    ]
    fingerprint = run.state().get("fingerprint", "")
    every_seconds = config.train.checkpoint_seconds
    return [
        *callbacks,
        Checkpoints(
            run.last_checkpoint, network, fingerprint, steps, every_seconds, callbacks, average
        ),
    ]


def _watching(
    config: RunConfig, bundle: Bundle, run: RunDir, steps: int, network: CooperativeNetwork
) -> list[tf_keras.callbacks.Callback]:
    """The guards, curves by step, validation and progress."""
    settings = config.train

    def validate() -> dict[str, float]:
        predict = predicting(network)
        outputs = predict_split(network, bundle, "valid", settings.eval_batch_size, predict)
        names = network.branch_names
        scores = scores_of(bundle, "valid", names, outputs["logit"], outputs.get("branch_logits"))
        metrics = scores.training_metrics()
        if "gauc" in settings.monitor:
            metrics["gauc"] = scores.gauc(config.evaluate.gauc_weight_by)
        values = {f"val_{name}": value for name, value in metrics.items()}
        values[MONITORED] = monitored(metrics, settings.monitor)
        return values | branch_life(names, outputs).logs()

    callbacks: list[tf_keras.callbacks.Callback] = [
        DivergenceGuard(lambda: latest_checkpoint(run.last_checkpoint), settings.log_seconds)
    ]
    # Parameter servers step asynchronously: there is no moment to read the means of a window.
    if settings.curve_steps is not None and settings.strategy != "parameter_server":
        path = run.curves_file if is_chief() else None
        callbacks.append(StepCurves(path, settings.curve_steps, steps))
    if settings.max_seconds is not None:
        callbacks.append(TimeLimit(settings.max_seconds))
    beside = network.names_beside_terms
    every_seconds = settings.log_seconds
    return [
        *callbacks,
        Validation(validate),
        Progress(
            steps, settings.epochs, settings.batch_size, every_seconds, beside, network.branch_names
        ),
        ConstantPredictions(),
    ]


def _choosing(
    config: RunConfig, run: RunDir, steps: int, average: AverageWeights | None
) -> list[tf_keras.callbacks.Callback]:
    """What looks at the monitored value: the best epoch, the learning rate, the end."""
    settings = config.train
    callbacks: list[tf_keras.callbacks.Callback] = [
        BestEpoch(write_path(run.best_checkpoints), steps),
        *([] if average is None else [EndAverage(average)]),
        tf_keras.callbacks.History(),
    ]
    if settings.reduce_on_plateau is not None:
        plateau = settings.reduce_on_plateau
        callbacks.append(
            tf_keras.callbacks.ReduceLROnPlateau(
                MONITORED,
                factor=plateau.factor,
                patience=plateau.patience,
                min_delta=plateau.min_delta,
                min_lr=plateau.min_learning_rate,
                mode="max",
            )
        )
    return [
        *callbacks,
        tf_keras.callbacks.TensorBoard(str(write_path(run.tensorboard)), write_graph=False),
        Patience(settings.patience, settings.patience_steps, steps),
    ]


def _measuring(config: RunConfig, run: RunDir, steps: int) -> list[tf_keras.callbacks.Callback]:
    """Where the time of a step goes, measured by the chief."""
    if not is_chief():
        return []
    settings = config.train
    workers = cluster_for(settings.strategy).size if settings.strategy == "multi_worker" else 1
    batch_size = settings.batch_size / workers
    callbacks: list[tf_keras.callbacks.Callback] = [TracedSteps(steps, batch_size)]
    if settings.profile_steps is not None:
        executions = settings.steps_per_execution
        callbacks.append(Profile(run.tensorboard, settings.profile_steps, executions))
    return callbacks


def shown(value: float) -> str:
    """A number to four decimals, or to three significant digits where those would hide it.

    Example:
        >>> shown(0.69314), shown(0.00001234), shown(0.0)
        ('0.6931', '1.23e-05', '0')
    """
    if value == 0.0:
        return "0"
    return f"{value:.4f}" if abs(value) >= 0.1 else f"{value:#.3g}"


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
