"""The numbers behind the pictures of a run's report: what metrics.json does not hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras

from features.bundle import Bundle
from models.metrics.group_auc import WeightBy
from models.network.logit_map import FUSED, LogitMaps
from pipeline.batches.dataset import column_arrays
from pipeline.evaluation.activity import gauc_by_activity
from pipeline.evaluation.decile_calibration import decile_calibration
from pipeline.evaluation.learned_categories import best_learned, category_shares
from pipeline.evaluation.metric_intervals import metric_intervals, spaced
from pipeline.evaluation.recalibration import fit_isotonic
from pipeline.evaluation.scores import Scores, sigmoid
from pipeline.evaluation.slices import feature_slices, slice_metrics, token_members
from pipeline.evaluation.split_rows import SplitRows
from pipeline.evaluation.weighted_metrics import whole_log_weights
from pipeline.reporting.network_numbers import MOST_ROWS, Question, network_numbers

_DIGITS = 6
_MOST_CATEGORIES = 30
_LEAST_SLICE = 30  # rows
_MOST_SLICED = 200  # features


@dataclass(frozen=True)
class Asked:
    """What the numbers are made from.

    Args:
        network: The trained network.
        bundle: Its bundle.
        scores: `valid` and `test` -> scores of all rows, as they were evaluated.
        before: The same without the recalibration that was asked for; empty where none was.
        maps: What the network's logits go through before they are probabilities.
        weight_by: How groups count in gAUC.
        sample_rows: Rows of the split that the network is asked about again.
        seconds: Time that importance and the representations in two dimensions may take; the
            rest is bounded by its rows.
        gradients: Whether to look where the loss terms' gradients point.
    """

    network: tf_keras.Model
    bundle: Bundle
    scores: Mapping[str, Scores]
    before: Mapping[str, Scores]
    maps: LogitMaps
    weight_by: WeightBy
    sample_rows: int
    seconds: float
    gradients: bool = False


def report_numbers(asked: Asked) -> dict[str, Any]:
    """What report.json holds: of the test rows, or of validation rows where there are none.

    Returns:
        `split`, `rows` and `sampled`, the number of rows that were looked at again; `intervals`:
        split -> what `metric_intervals` returns; `calibration`: deciles of the prediction, and of
        the same with an isotonic recalibration or without the one that was asked for;
        `activity` as `gauc_by_activity`; `slices`: feature -> slice -> `slice_metrics`;
        `categories`; `importance` of `features` and of `groups`; `fusion_weights`: branch ->
        quantiles; `units`: branch -> strengths; `unit_correlations`; `gradients` as
        `gradient_directions`; `plane`: representations in two dimensions; `notes`: sentences on
        what is left out, and why. What does not apply is not there.
    """
    split = "test" if len(asked.scores["test"].labels) else "valid"
    scores = asked.scores[split]
    at = spaced(len(scores.labels), asked.sample_rows)
    inputs = _inputs(asked.bundle, split, at)
    some = _at(scores, at)
    numbers: dict[str, Any] = {
        "split": split,
        "rows": len(scores.labels),
        "sampled": len(at),
        "intervals": {
            name: metric_intervals(each, asked.weight_by) for name, each in asked.scores.items()
        },
        "calibration": _calibration(asked, split),
        "slices": _slices(asked.bundle, inputs, some),
        "notes": _too_many(asked.bundle),
    }
    if scores.groups is not None:
        numbers["activity"] = gauc_by_activity(
            scores.labels, scores.probs, scores.groups, asked.weight_by
        )
    branches = {name: probs for name, probs in some.probs.items() if name != FUSED}
    if len(branches) > 1:
        numbers["categories"] = _categories(asked.bundle, inputs, some.labels, branches)
    if len(at):
        numbers |= network_numbers(
            _question(asked, inputs, some, numbers["notes"]), asked.gradients
        )
    rounded: dict[str, Any] = _rounded(numbers)
    return rounded


def _inputs(bundle: Bundle, split: str, at: np.ndarray) -> dict[str, np.ndarray]:
    names = [spec.name for spec in bundle.metadata.model_inputs()]
    return column_arrays(bundle, split, names, at)


def _at(scores: Scores, at: np.ndarray) -> Scores:
    """The scores of some rows."""
    return Scores(
        labels=scores.labels[at].astype(np.float64),
        probs={name: probs[at] for name, probs in scores.probs.items()},
        groups=None if scores.groups is None else scores.groups[at],
        negatives_kept=scores.negatives_kept,
    )


def _calibration(asked: Asked, split: str) -> dict[str, list[dict[str, float | None]]]:
    scores = asked.scores[split]
    labels = scores.labels.astype(np.float64)
    weights = whole_log_weights(labels, scores.negatives_kept)
    curves = {"as evaluated": scores.probs[FUSED]}
    if split in asked.before:
        curves["before recalibration"] = asked.before[split].probs[FUSED]
    elif split != "valid":
        isotonic = _isotonic(asked.scores["valid"], scores.probs[FUSED])
        if isotonic is not None:
            curves["with isotonic recalibration"] = isotonic
    return {name: decile_calibration(labels, probs, weights) for name, probs in curves.items()}


def _isotonic(valid: Scores, probs: np.ndarray) -> np.ndarray | None:
    """Probabilities after an isotonic map that validation rows fit; None where they fit none."""
    at = spaced(len(valid.labels), 100_000)
    labels = valid.labels[at].astype(np.float64)
    if not labels.size or labels.min() == labels.max():
        return None
    weights = whole_log_weights(labels, valid.negatives_kept)
    fitted = fit_isotonic(labels, _logits(valid.probs[FUSED][at]), weights)
    return sigmoid(np.asarray(fitted(_logits(probs))))


def _logits(probs: np.ndarray) -> np.ndarray:
    epsilon = np.finfo(np.float64).eps
    inside = np.clip(probs, epsilon, 1.0 - epsilon)
    return np.log(inside) - np.log1p(-inside)


def _slices(
    bundle: Bundle, inputs: Mapping[str, np.ndarray], some: Scores
) -> dict[str, dict[str, Any]]:
    weights = whole_log_weights(some.labels, some.negatives_kept)
    found = {}
    for spec in bundle.metadata.model_inputs()[:_MOST_SLICED]:
        slices = feature_slices(bundle, spec, inputs[spec.name])
        found[spec.name] = {
            name: slice_metrics(some.labels, some.probs[FUSED], weights, inside)
            for name, inside in slices.items()
            if inside.sum() >= _LEAST_SLICE
        }
    return {name: slices for name, slices in found.items() if len(slices) > 1}


def _too_many(bundle: Bundle) -> list[str]:
    count = len(bundle.metadata.model_inputs())
    if count <= _MOST_SLICED:
        return []
    return [f"slices are of the first {_MOST_SLICED} of {count} features"]


def _categories(
    bundle: Bundle,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray,
    branches: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    most = max(1, len(labels) // 10)
    best = best_learned(labels, branches, most)
    features = {}
    for spec in bundle.metadata.model_inputs():
        if spec.kind not in ("categorical", "multivalued"):
            continue
        ids = inputs[spec.name]
        if 1 < len(np.unique(ids[ids > 0])) <= _MOST_CATEGORIES:
            members = token_members(bundle, spec, ids)
            features[spec.name] = category_shares(best, members)
    return {"examples": most, "features": features}


def _question(
    asked: Asked, inputs: Mapping[str, np.ndarray], some: Scores, notes: list[str]
) -> Question:
    at = spaced(len(some.labels), MOST_ROWS)
    rows = SplitRows({name: values[at] for name, values in inputs.items()}, some.labels[at])
    return Question(asked.network, asked.bundle, asked.maps, rows, asked.seconds, notes)


def _rounded(value: Any) -> Any:
    """The same with floats of six digits, which no picture shows more of."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(name): _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
