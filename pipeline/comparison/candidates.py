"""The models that are compared, each fitted on a bundle within its share of the time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ConfigError, UserError
from models.network.logit_map import LogitMaps, with_maps
from pipeline.comparison.tree_models import PACKAGES, Fitted, Predict, fit_trees
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.logistic_baseline import fit_logistic
from pipeline.evaluation.split_rows import Inputs, SplitRows
from pipeline.runs.run_dir import RunDir
from pipeline.stages.fitted_config import fitted_config
from pipeline.stages.recalibrate import recalibrate
from pipeline.stages.start import Start
from pipeline.stages.train_stage import train_stage
from pipeline.system.lock import only_job_at
from pipeline.training.train import load_network
from serving.export_format import names
from serving.exporting.signatures import Network, probabilities

LOGISTIC = "logistic regression"
PLAIN = (LOGISTIC, *PACKAGES)  # from the simplest on
COOPERATING = ("mbcnet", "cetnet", "dmoe")
NETWORKS = ("dcnv2", *COOPERATING)
_BATCH = 8192


@dataclass(frozen=True)
class Task:
    """What all models are fitted to.

    Args:
        bundle: Data bundle.
        train: Its training rows.
        valid: Its validation rows.
        load: From the name of a preset to a configuration with that network.
        runs: Folder that the networks' runs go to.
    """

    bundle: Bundle
    train: SplitRows
    valid: SplitRows
    load: Callable[[str], RunConfig]
    runs: Path


def fit_candidate(name: str, task: Task, seconds: float, again: bool = False) -> Fitted:
    """Fits a model of `PLAIN`, or the network of a preset.

    Args:
        name: Its name.
        task: What it is fitted to.
        seconds: Time that it may take, but for a logistic regression, which takes what it needs.
        again: Train a network anew that is trained.

    Returns:
        The model; its probabilities are those of the whole log where its negatives were thinned.

    Raises:
        UserError: It cannot be fitted here: in a sentence.
    """
    if name == LOGISTIC:
        return Fitted(_logistic(task.bundle))
    if name in PACKAGES:
        kept = task.bundle.metadata.negatives_kept
        specs = task.bundle.metadata.model_inputs()
        trees = fit_trees(name, specs, task.train, task.valid, seconds)
        return Fitted(lambda inputs: _corrected(trees.predict(inputs), kept), trees.cut)
    return _network(name, task, seconds, again)


def _logistic(bundle: Bundle) -> Predict:
    model = fit_logistic(bundle, most=bundle.metadata.rows["train"])
    if model is None:
        raise UserError("training and validation rows do not have both labels: nothing to compare")
    return model.probs


def _network(preset: str, task: Task, seconds: float, again: bool) -> Fitted:
    bundle, run = task.bundle, RunDir(task.runs / preset.replace("/", "-"))
    config = task.load(preset)
    limit = max(seconds, 1.0)
    train = config.train.model_copy(update={"max_seconds": limit, "baseline": False})
    config = fitted_config(config.model_copy(update={"train": train}), bundle)
    with only_job_at(str(run.path)):
        if run.has_finished("train", config, bundle) and not again:
            network = load_network(config, bundle, run)
        else:
            network = train_stage(config, bundle, run, Start(overwrite=True, restart=again))
        maps = recalibrate(config, bundle, run, network)
        cut = "cut_after" in run.state()
    return Fitted(network_predict(network, maps), cut)


def network_predict(network: Network, maps: LogitMaps) -> Predict:
    """Probabilities of a network, batch by batch."""
    scored = with_maps(network, maps)

    @tf.function(autograph=False, reduce_retracing=True)
    def score(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return probabilities(scored, features)[names.PROB]

    def predict(inputs: Inputs) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        parts = [
            score({name: tf.constant(x[start : start + _BATCH]) for name, x in inputs.items()})
            for start in range(0, rows, _BATCH)
        ]
        return np.concatenate([part.numpy() for part in parts]).astype(np.float64)

    return predict


def check_networks(presets: list[str]) -> None:
    """Refuses an empty list, or one that names a plain model.

    Raises:
        ConfigError: Says which presets may be named.
    """
    if not presets or set(presets) & set(PLAIN):
        raise ConfigError(
            "--networks takes presets, separated by commas, such as "
            f"{','.join(NETWORKS)}. Received: {','.join(presets) or 'none'}."
        )


def _corrected(probs: np.ndarray, kept: float) -> np.ndarray:
    """As `correction_for_negatives`, of probabilities."""
    return probs / (probs + (1.0 - probs) / kept)
