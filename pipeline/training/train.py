"""The training job: a network from a configuration, fitted on a bundle."""

import logging
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from features.bundle import Bundle
from features.errors import ConfigError
from models.build import build_network
from models.network import CooperativeNetwork
from pipeline.config import RunConfig
from pipeline.dataset import examples, refusing_damage
from pipeline.evaluation.scores import score_split
from pipeline.run_dir import RunDir
from pipeline.training.callbacks import DivergenceGuard, Progress, Validation
from pipeline.training.strategy import mirrored_strategy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What training ends with.

    Args:
        network: With the weights of the best epoch.
        history: Log name -> value after each epoch.
        best_epoch: Counted from 1.
        seconds: Spent in all epochs together, validation included.
    """

    network: CooperativeNetwork
    history: dict[str, list[float]]
    best_epoch: int
    seconds: float

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": len(self.history["loss"]),
            "seconds": round(self.seconds, 1),
            "history": self.history,
        }


def train(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    teachers: Sequence[CooperativeNetwork] = (),
) -> Trained:
    """Fits a network until the validation AUC stops rising, and restores its best epoch.

    Args:
        config: What to train.
        bundle: On what.
        run: Where checkpoints and logs go; those that are there are replaced.
        teachers: From `pipeline.training.teachers.load_teachers`.

    Raises:
        TrainingError: A loss term became nan or infinite.
        ConfigError: The configuration does not fit the data.
    """
    settings = config.train
    for folder in (run.best_checkpoint.parent, run.tensorboard):
        shutil.rmtree(folder, ignore_errors=True)
    network = new_network(config, bundle, teachers)
    rows = bundle.metadata.rows["train"]
    steps = math.ceil(rows / settings.batch_size)
    log.info(
        "%s examples in %s steps an epoch, %s weights, %d replica%s",
        f"{rows:,}",
        f"{steps:,}",
        f"{sum(weight.shape.num_elements() for weight in network.trainable_weights):,}",
        mirrored_strategy().num_replicas_in_sync,
        "s" * (mirrored_strategy().num_replicas_in_sync > 1),
    )
    dataset = examples(
        bundle, "train", settings.batch_size, settings.epochs, settings.seed, settings.shuffle_rows
    )
    started = time.monotonic()
    with refusing_damage(bundle):
        history = network.fit(
            dataset,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            callbacks=_callbacks(config, bundle, run, steps, network),
            verbose=0,
        ).history
    seconds = time.monotonic() - started
    network.forget_teachers()
    _restore_best(network, run)
    history = {name: [float(value) for value in values] for name, values in history.items()}
    best = max(range(len(history["val_auc"])), key=history["val_auc"].__getitem__)
    epochs = len(history["val_auc"])
    log.info(
        "%s after epoch %d; the weights are those of epoch %d, validation auc %.4f",
        "stopped" if epochs < settings.epochs else "ended",
        epochs,
        best + 1,
        history["val_auc"][best],
    )
    return Trained(network, history, best + 1, seconds)


def new_network(
    config: RunConfig, bundle: Bundle, teachers: Sequence[CooperativeNetwork] = ()
) -> CooperativeNetwork:
    """A compiled network with fresh weights, under the process's strategy."""
    settings = config.train
    tf_keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    policy = "mixed_bfloat16" if settings.precision == "bfloat16" else "float32"
    tf_keras.mixed_precision.set_global_policy(policy)
    metadata = bundle.metadata
    with mirrored_strategy().scope():
        network = build_network(
            config.model, metadata.model_inputs(), metadata.features.groups, teachers
        )
        network.compile(
            optimizer=tf_keras.optimizers.Adam(
                settings.learning_rate, global_clipnorm=settings.clip_norm
            ),
            weighted_metrics=[],
        )
    return network


def load_network(config: RunConfig, bundle: Bundle, run: RunDir) -> CooperativeNetwork:
    """The network of a finished training, with the weights of its best epoch.

    Raises:
        ConfigError: The run has no checkpoint.
    """
    if not Path(f"{run.best_checkpoint}.index").exists():
        raise ConfigError(
            f"{run.path} has no checkpoint at {run.best_checkpoint}. Train first: "
            "python -m pipeline train --config ... --out ..."
        )
    network = new_network(config, bundle)
    _restore_best(network, run)
    return network


def _restore_best(network: CooperativeNetwork, run: RunDir) -> None:
    # The checkpoint may hold more, such as the optimizer's moments, but never less.
    status = network.load_weights(str(run.best_checkpoint))
    status.assert_existing_objects_matched().expect_partial()


def _callbacks(
    config: RunConfig, bundle: Bundle, run: RunDir, steps: int, network: CooperativeNetwork
) -> list[tf_keras.callbacks.Callback]:
    """In the order in which they look at an epoch's end."""
    settings = config.train

    def validate() -> dict[str, float]:
        scores = score_split(network, bundle, "valid", settings.eval_batch_size)
        return {f"val_{name}": value for name, value in scores.training_metrics().items()}

    def last_checkpoint() -> str | None:
        found = Path(f"{run.last_checkpoint}.index").exists()
        return str(run.last_checkpoint) if found else None

    return [
        DivergenceGuard(last_checkpoint, settings.log_seconds),
        Validation(validate),
        Progress(steps, settings.epochs, settings.batch_size, settings.log_seconds),
        tf_keras.callbacks.ModelCheckpoint(
            str(run.best_checkpoint),
            "val_auc",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
        ),
        tf_keras.callbacks.ModelCheckpoint(str(run.last_checkpoint), save_weights_only=True),
        tf_keras.callbacks.TensorBoard(str(run.tensorboard), write_graph=False),
        tf_keras.callbacks.EarlyStopping("val_auc", mode="max", patience=settings.patience),
    ]
