"""The training job: a network from a configuration, fitted on a bundle."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import tensorflow as tf
import tf_keras

from features.bundle import Bundle
from features.errors import ConfigError
from models.embeddings import EmbeddingLayout
from models.network import CooperativeNetwork
from models.network.cost import num_parameters
from models.optimizers import RowSlots, make_optimizer, row_slots_of
from models.spec.build_network import build_network
from pipeline.batches.dataset import examples, refusing_damage
from pipeline.batches.hidden_tokens import hidden_shares
from pipeline.batches.position import WHOLE, Position, batches_of_epoch
from pipeline.config.run_config import RunConfig
from pipeline.runs.checkpoint_files import damage_of
from pipeline.runs.run_dir import RunDir
from pipeline.system.available_memory import available_bytes
from pipeline.training.bfloat16 import warn_slow_bfloat16
from pipeline.training.callbacks import TimeLimit, training_callbacks
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.cluster import cluster_for, is_chief
from pipeline.training.given_vectors import fill_given_vectors
from pipeline.training.monitor import MONITORED, EndsAfter
from pipeline.training.private_api import begin_fit_at
from pipeline.training.step_curves import StepCurves
from pipeline.training.step_time import StepTime
from pipeline.training.strategy import training_input, training_strategy, wait_for_all
from pipeline.training.traced_steps import TracedSteps
from pipeline.training.training_memory import check_tables_fit, memory_of
from pipeline.training.utilization import Utilization

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What training ends with.

    Args:
        network: Network with the weights of the best epoch.
        history: Log name -> value after each epoch.
        best_epoch: Counted from 1.
        seconds: Time spent in all epochs together, validation included.
        step_time: Where a step's time went; None where it was not measured.
        utilization: Its MFU, likewise.
        cut_after: `train.max_seconds`, where they ended it.
    """

    network: CooperativeNetwork
    history: dict[str, list[float]]
    best_epoch: int
    seconds: float
    step_time: StepTime | None = None
    utilization: Utilization | None = None
    cut_after: float | None = None

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": len(self.history["loss"]),
            "seconds": round(self.seconds, 1),
            "step_time": self.step_time and self.step_time.summary(),
            "mfu": self.utilization and self.utilization.summary(),
            "history": self.history,
            "beside_terms": list(self.network.names_beside_terms),
        }


def train(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    teachers: Sequence[CooperativeNetwork] = (),
    warm_start: Callable[[CooperativeNetwork], None] | None = None,
    resume: bool = False,
    ends: EndsAfter | None = None,
) -> Trained:
    """Fits a network until the monitored value stops rising, and restores its best epoch.

    Args:
        config: Configuration of the run.
        bundle: Data bundle to train on.
        run: Folder that checkpoints and logs go to. Those that are there are replaced, unless
            `resume`.
        teachers: From `pipeline.stages.teachers.load_teachers`.
        warm_start: Called with the network before its first step, unless there is a checkpoint to
            continue from; see `pipeline.training.warm_start`.
        resume: Continue from the last checkpoint of this run, if there is one.
        ends: Asked after every epoch, with its number from 0 and its monitored value, whether the
            training ends there.

    Raises:
        TrainingError: A loss term became nan or infinite.
        ConfigError: The configuration does not fit the data.
    """
    settings = config.train
    training_strategy(settings.strategy)
    if not resume and is_chief():
        for folder in (run.checkpoints, run.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
    wait_for_all()
    steps = _steps_of_epoch(config, bundle.metadata.rows["train"])
    network = _network_to_fit(config, bundle, teachers, steps)
    callbacks = training_callbacks(config, bundle, run, steps, network, ends)
    checkpoints = _the_one(Checkpoints, callbacks)
    curves = [callback for callback in callbacks if isinstance(callback, StepCurves)]
    if not (resume and _continued(checkpoints, run, settings.epochs, steps)) and warm_start:
        warm_start(network)
    fill_given_vectors(network, config, bundle)
    for callback in curves:
        callback.begin_at(checkpoints.position)
    _say_hidden(config, bundle)
    started = time.monotonic()
    if checkpoints.position.epoch < settings.epochs and not checkpoints.stopped:
        _fit_from(checkpoints.position, config, bundle, network, steps, callbacks)
    seconds = checkpoints.seconds_before + time.monotonic() - started
    network.forget_teachers()
    wait_for_all()
    _restore_best(network, run)
    logged = _the_one(tf_keras.callbacks.History, callbacks).history
    history = {name: [float(value) for value in values] for name, values in logged.items()}
    best = max(range(len(history[MONITORED])), key=history[MONITORED].__getitem__)
    _say_best(history, best, settings.epochs)
    traced = _the_one(TracedSteps, callbacks) if is_chief() else None
    times = (traced.measured, traced.utilization) if traced else (None, None)
    limits = [callback.cut_after for callback in callbacks if isinstance(callback, TimeLimit)]
    return Trained(network, history, best + 1, seconds, *times, *limits)


def _continued(checkpoints: Checkpoints, run: RunDir, epochs: int, steps: int) -> bool:
    """Restores the last checkpoint, if there is one."""
    restored = checkpoints.restore()
    if restored is None:
        return False
    _check_best(run, checkpoints.position)
    log.info(
        "continues from %s: epoch %d/%d, step %s/%s",
        restored,
        checkpoints.position.epoch + 1,
        epochs,
        f"{checkpoints.position.batch:,}",
        f"{steps:,}",
    )
    return True


def _say_best(history: Mapping[str, Sequence[float]], best: int, most_epochs: int) -> None:
    epochs = len(history[MONITORED])
    log.info(
        "%s after epoch %d; the weights are those of epoch %d, validation auc %.4f, logloss %.4f",
        "stopped" if epochs < most_epochs else "ended",
        epochs,
        best + 1,
        history["val_auc"][best],
        history["val_logloss"][best],
    )


def _check_best(run: RunDir, position: Position) -> None:
    """Refuses, before it trains on, what would end with no best epoch to go back to."""
    damage = damage_of(run.best_checkpoint) if position.epoch else None
    if damage is not None:
        raise ConfigError(
            f"{run.best_checkpoint}, the best epoch so far, is damaged: {damage}. Copy it again "
            "from where it was whole, or begin again with --restart."
        )


def _say_hidden(config: RunConfig, bundle: Bundle) -> None:
    hidden = hidden_shares(bundle, config.train.hide_tokens)
    if hidden:
        shares = ", ".join(f"{name} {100 * how.share:.3g} %" for name, how in hidden.items())
        log.info(
            "hides tokens, so that the row of the unknown token stands for new ones: %s", shares
        )


_Callback = TypeVar("_Callback", bound=tf_keras.callbacks.Callback)


def _the_one(kind: type[_Callback], callbacks: Sequence[tf_keras.callbacks.Callback]) -> _Callback:
    (only,) = (callback for callback in callbacks if isinstance(callback, kind))
    return only


def _fit_from(
    start: Position,
    config: RunConfig,
    bundle: Bundle,
    network: CooperativeNetwork,
    steps: int,
    callbacks: Sequence[tf_keras.callbacks.Callback],
) -> None:
    begin_fit_at(network, start.epoch, start.batch)
    with refusing_damage(bundle):
        network.fit(
            training_input(lambda part: _examples(config, bundle, start, part)),
            epochs=config.train.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=0,
        )


def _network_to_fit(
    config: RunConfig, bundle: Bundle, teachers: Sequence[CooperativeNetwork], steps: int
) -> CooperativeNetwork:
    """A new network with its optimizer's variables; logs what it needs."""
    settings, strategy = config.train, training_strategy()
    available = available_bytes()
    network = new_network(config, bundle, teachers, _base_rate(config, bundle))
    with strategy.scope():
        if settings.gradient_norms:
            network.watch_gradients()
        network.optimizer.build(network.trainable_variables)
    weights = network.trainable_weights
    log.info("%s", memory_of(weights, settings.optimizer, settings.tables.optimizer, available))
    log.info(
        "%s examples in %s steps an epoch, %s weights, %d replica%s",
        f"{bundle.metadata.rows['train']:,}",
        f"{steps:,}",
        f"{sum(map(num_parameters, weights)):,}",
        strategy.num_replicas_in_sync,
        "s" * (strategy.num_replicas_in_sync > 1),
    )
    return network


def _base_rate(config: RunConfig, bundle: Bundle) -> float:
    """The click rate of the bundle's training rows, where a loss asks for it.

    Raises:
        ConfigError: All training rows are of one class.
    """
    takers = [
        name
        for name, loss in config.model.cooperation.items()
        if "base_rate" in loss.instance().takes
    ]
    if not takers:
        return 0.5
    rate = float(bundle.statistics["splits"]["train"]["label_rate"])
    if not 0.0 < rate < 1.0:
        raise ConfigError(
            f"model.cooperation.{takers[0]} compares branches with the click rate of the training "
            f"rows, which must lie between 0 and 1. Received: {rate:g} in {bundle.path}. Give rows "
            "of both labels, or set its threshold to a number."
        )
    return rate


def _steps_of_epoch(config: RunConfig, rows: int) -> int:
    settings = config.train
    shard = WHOLE
    if settings.strategy == "multi_worker":  # every worker gets equally many rows of every batch
        shard = (0, cluster_for(settings.strategy).size)
    return batches_of_epoch(rows, settings.batch_size, shard)


def _examples(
    config: RunConfig, bundle: Bundle, start: Position, part: tuple[int, int] | None
) -> tf.data.Dataset:
    settings = config.train
    return examples(
        bundle,
        "train",
        settings.batch_size,
        settings.epochs,
        settings.seed,
        settings.shuffle_rows,
        start,
        part or WHOLE,
        hidden_shares(bundle, settings.hide_tokens),
        trimmed=True,
        bucketed=settings.bucket_by_length,
    )


def new_optimizer(config: RunConfig) -> tf_keras.optimizers.Optimizer:
    """The optimizer that the `train` section describes."""
    settings = config.train
    return make_optimizer(
        settings.learning_rate,
        optimizer=settings.optimizer,
        tables=settings.tables.optimizer,
        tables_learning_rate=settings.tables.learning_rate,
        correct_skipped=settings.tables.correct_skipped,
        schedule=settings.schedule.type,
        warmup_steps=settings.schedule.warmup_steps,
        decay_steps=settings.schedule.decay_steps,
        end=settings.schedule.end,
        clip_norm=settings.clip_norm,
    )


def new_network(
    config: RunConfig,
    bundle: Bundle,
    teachers: Sequence[CooperativeNetwork] = (),
    base_rate: float = 0.5,
) -> CooperativeNetwork:
    """A compiled network with fresh weights, under the process's strategy.

    Args:
        config: Configuration of the run.
        bundle: Data bundle whose inputs the network reads.
        teachers: From `pipeline.stages.teachers.load_teachers`.
        base_rate: Click rate of the training rows, for losses that take it while they train.
    """
    settings = config.train
    strategy = training_strategy()
    tf_keras.utils.set_random_seed(settings.seed)
    # Dropout then draws from generators whose state a checkpoint can hold.
    tf_keras.backend.experimental.enable_tf_random_generator()
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    if settings.precision == "bfloat16":
        warn_slow_bfloat16()
    policy = "mixed_bfloat16" if settings.precision == "bfloat16" else "float32"
    tf_keras.mixed_precision.set_global_policy(policy)
    metadata = bundle.metadata
    slots = row_slots_of(settings.tables.optimizer, settings.tables.correct_skipped)
    with strategy.scope():
        network = build_network(
            config.model,
            metadata.model_inputs(),
            metadata.features.groups,
            teachers,
            slots=slots,
            check_layout=lambda layout: _check_fits(config, layout, slots),
            base_rate=base_rate,
        )
        network.compile(
            optimizer=new_optimizer(config),
            weighted_metrics=[],
            steps_per_execution=settings.steps_per_execution,
        )
    # Every replica logs the same global values; by default Keras adds those of several processes.
    network.distribute_reduction_method = "first"
    return network


def _check_fits(config: RunConfig, layout: EmbeddingLayout, slots: RowSlots | None) -> None:
    elsewhere = tf.config.list_physical_devices("GPU")  # then the tables lie there
    if config.train.strategy != "parameter_server" and not elsewhere:
        check_tables_fit(layout, slots, config.train.tables.optimizer)


def load_network(config: RunConfig, bundle: Bundle, run: RunDir) -> CooperativeNetwork:
    """The network of a finished training, with the weights of its best epoch and nothing else.

    Raises:
        ConfigError: The run has no checkpoint, or one that cannot be read.
    """
    damage = damage_of(run.best_checkpoint)
    if damage is not None:
        raise ConfigError(
            f"{run.path} has no checkpoint at {run.best_checkpoint} that can be read: {damage}. "
            "Copy it again from where it was whole, or train again with --restart: "
            f"python -m pipeline train --config {run.config_file} --out {run.path} --restart"
        )
    network = new_network(config, bundle)
    _restore_best(network, run)
    return network


def _restore_best(network: CooperativeNetwork, run: RunDir) -> None:
    # The checkpoint may hold more, such as the optimizer's moments, but never less.
    status = network.load_weights(str(run.best_checkpoint))
    status.assert_existing_objects_matched().expect_partial()
    network.embeddings.drop_slots()
