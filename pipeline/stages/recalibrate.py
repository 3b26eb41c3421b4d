"""Recalibration of a run: fitted when it is evaluated, held in its folder, read by its exports."""

import logging
from collections.abc import Sequence

from features.bundle import METADATA, Bundle, read_metadata
from features.config import StrictModel, parse
from features.errors import ConfigError
from models.network import CooperativeNetwork
from models.network.logit_map import LogitMap, correction_for_negatives
from pipeline.batches.dataset import examples, refusing_damage
from pipeline.config.run_config import RecalibrationMethod, RunConfig
from pipeline.evaluation.recalibration import fit_maps
from pipeline.evaluation.scores import logits_by_prediction, scores_of
from pipeline.evaluation.split_outputs import OutputReader
from pipeline.evaluation.weighted_metrics import whole_log_weights
from pipeline.runs.run_dir import RunDir
from pipeline.system.files import write_json
from pipeline.training.cluster import is_chief

_log = logging.getLogger(__name__)


class Recalibration(StrictModel):
    """What `recalibration.json` of a run holds.

    Args:
        method: How it was fitted.
        rows: Number of validation rows that it was fitted to.
        maps: `fused` and every branch with a head -> its map; empty where rows are of one class.
    """

    method: RecalibrationMethod
    rows: int
    maps: dict[str, LogitMap]


def recalibrate(
    config: RunConfig, bundle: Bundle, run: RunDir, network: CooperativeNetwork
) -> dict[str, LogitMap]:
    """Fits a run's recalibration to the validation rows of its bundle, and keeps it.

    Every process of a cluster takes part in the scoring, and the chief writes.

    Returns:
        The maps that the network's logits go through, `held_maps` from now on.
    """
    method = config.train.recalibration
    if method is None:
        return correction_for_negatives(bundle.metadata.negatives_kept, network.branch_names)
    with refusing_damage(bundle):
        said = OutputReader(network).read(examples(bundle, "valid", config.train.eval_batch_size))
    names = network.branch_names
    scores = scores_of(bundle, "valid", names, said.logit, said.branch_logits)
    weights = whole_log_weights(scores.labels, scores.negatives_kept)
    if scores.weights is not None:  # the network was trained with them
        weights = weights * scores.weights
    logits = logits_by_prediction(names, said.logit, said.branch_logits)
    maps = fit_maps(method, scores.labels, logits, weights)
    if not maps:
        _log.warning("validation rows are all of one class: nothing is recalibrated by them")
    if is_chief():
        held = Recalibration(method=method, rows=len(scores.labels), maps=maps)
        write_json(str(run.recalibration_file), held.model_dump(mode="json"))
    return maps or correction_for_negatives(bundle.metadata.negatives_kept, names)


def held_maps(run: RunDir, branch_names: Sequence[str]) -> dict[str, LogitMap]:
    """The maps that the logits of a run's network go through, as it was evaluated.

    Raises:
        ConfigError: The run is to be recalibrated, and was not evaluated since it was trained.
    """
    maps = {}
    if run.config().train.recalibration is not None:
        if not run.recalibration_file.exists():
            raise ConfigError(
                f"{run.path} is to be recalibrated, which its evaluation does, and has no "
                f"{run.recalibration_file.name}. Evaluate it first: "
                f"python -m pipeline evaluate {run.path}"
            )
        maps = parse(Recalibration, run.recalibration(), str(run.recalibration_file)).maps
    kept = read_metadata(run.bundle_copy / METADATA).negatives_kept
    return maps or correction_for_negatives(kept, branch_names)
