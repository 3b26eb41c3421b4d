"""What a network scores on a new day before it has been trained on it."""

from typing import Any

import tf_keras

from features.bundle import Bundle
from features.errors import ConfigError
from models.metrics.group_auc import WeightBy
from models.network.logit_map import LogitMaps
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.evaluate import split_facts
from pipeline.evaluation.scores import score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.recalibrate import held_maps
from pipeline.training.warm_start import WarmStart


def check_progressive(config: RunConfig, warm_start: RunDir | None) -> None:
    """Refuses a progressive validation of a network that knows nothing yet.

    Raises:
        ConfigError: There is no warm start.
    """
    if config.train.progressive_validation and warm_start is None:
        raise ConfigError(
            "train.progressive_validation scores the new rows before they are trained on, with "
            "the network of an earlier run. Received: no --warm-start. Give one, or set "
            "train.progressive_validation to false."
        )


def start_warm(
    network: tf_keras.Model, warm_start: WarmStart, config: RunConfig, bundle: Bundle
) -> dict[str, Any]:
    """Fills a network from an earlier run, and scores the new bundle on the way.

    Args:
        network: Network to fill: compiled, its optimizer built.
        warm_start: The earlier run, opened for this bundle.
        config: Configuration of the new run.
        bundle: Data bundle of the new run.

    Returns:
        For metrics.json: `run`, `vocabularies` (kept, new and dropped tokens of each), `previous`
        (`valid` and `test` as the earlier network scores them) and, where the configuration asks
        for it, `progressive` (the training rows, before they are trained on).
    """
    batch_size, weight_by = config.train.eval_batch_size, config.evaluate.gauc_weight_by
    maps = held_maps(warm_start.run, network.branch_names)

    def report(split: str) -> dict[str, Any]:
        return split_report(network, bundle, split, batch_size, weight_by, maps)

    warm_start.apply(network)
    report_of_start = {
        "run": str(warm_start.run.path),
        "vocabularies": warm_start.counts,
        "previous": {split: report(split) for split in ("valid", "test")},
    }
    warm_start.start_new_tokens()
    if config.train.progressive_validation:
        report_of_start["progressive"] = report("train")
    return report_of_start


def split_report(
    network: tf_keras.Model,
    bundle: Bundle,
    split: str,
    batch_size: int,
    weight_by: WeightBy,
    maps: LogitMaps,
) -> dict[str, Any]:
    """The metrics of one split, as `evaluation_report` gives them, without the branches' pairs."""
    scores = score_split(network, bundle, split, batch_size, maps=maps)
    return split_facts(scores, bundle, weight_by)
