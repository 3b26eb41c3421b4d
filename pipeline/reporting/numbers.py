"""The numbers behind the pictures of a run's report: what metrics.json does not hold."""

import time
from collections.abc import Mapping, Sequence
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
from pipeline.evaluation.feature_importance import permutation_importance
from pipeline.evaluation.learned_categories import best_learned, category_shares
from pipeline.evaluation.loss_gradients import gradient_directions
from pipeline.evaluation.metric_intervals import metric_intervals, spaced
from pipeline.evaluation.recalibration import fit_isotonic
from pipeline.evaluation.representations import (
    in_two_dimensions,
    live_unit_correlations,
    missing_for_two_dimensions,
    unit_strengths,
)
from pipeline.evaluation.sample_outputs import SampleReader
from pipeline.evaluation.scores import Scores, sigmoid
from pipeline.evaluation.slices import feature_slices, slice_metrics, token_members
from pipeline.evaluation.split_rows import SplitRows
from pipeline.evaluation.weighted_metrics import whole_log_weights

_DIGITS = 6
_FOR_IMPORTANCE = 0.6  # share of the time
_IMPORTANCE_ROWS = 4_000
_GRADIENT_ROWS = 2_048
_PLANE_POINTS = 1_200  # of all branches together
_PLANE_SECONDS = 4.0  # that so many points may take
_PLANE_LEAST = 40  # rows
_MOST_CATEGORIES = 30
_MOST_UNITS = 96  # of all branches together whose correlations are kept
_LEAST_SLICE = 30  # rows
_MOST_SLICED = 200  # features
_QUANTILES = (5, 25, 50, 75, 95)


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
        numbers |= _of_the_network(asked, inputs, some.labels, numbers["notes"])
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


def _of_the_network(
    asked: Asked,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray,
    notes: list[str],
) -> dict[str, Any]:
    """What the network has to be asked about again."""
    names, reader = asked.network.branch_names, SampleReader(asked.network, asked.maps)
    said = reader.read(inputs)
    z = said.representations
    widths = asked.network.widths or [z.shape[2]] * z.shape[1]
    numbers: dict[str, Any] = {}
    if said.fusion_weights is not None and np.ptp(said.fusion_weights) != 0.0:
        quantiles = np.percentile(said.fusion_weights, _QUANTILES, axis=0).T
        numbers["fusion_weights"] = dict(zip(names, quantiles.tolist(), strict=True))
    if len(names) > 1:
        strengths = unit_strengths(z, widths)
        numbers["units"] = dict(zip(names, strengths, strict=True))
        numbers["unit_correlations"] = _unit_correlations(names, z, widths)
    if asked.gradients:
        numbers |= _gradients(asked.network, inputs, labels, notes)
    now = time.monotonic()
    end, first = now + asked.seconds, now + _FOR_IMPORTANCE * asked.seconds
    numbers["importance"] = _importance(asked.bundle, reader, inputs, labels, first, notes)
    if len(names) > 1:
        plane = _plane(names, z, labels, end, notes)
        if plane is not None:
            numbers["plane"] = plane
    return numbers


def _gradients(
    network: tf_keras.Model,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray,
    notes: list[str],
) -> dict[str, Any]:
    at = spaced(len(labels), _GRADIENT_ROWS)
    batch = {name: values[at] for name, values in inputs.items()}
    directions = gradient_directions(network, batch, labels[at])
    if directions is None:
        notes.append(
            "where the loss terms' gradients point is not shown: several replicas or parameter "
            "servers hold the network"
        )
        return {}
    return {"gradients": directions}


def _unit_correlations(
    names: Sequence[str], z: np.ndarray, widths: Sequence[int]
) -> dict[str, Any]:
    matrix, live = live_unit_correlations(z, widths)
    owner = np.repeat(np.arange(len(names)), live)
    kept = spaced(len(matrix), _MOST_UNITS)
    counts = np.bincount(owner[kept], minlength=len(names))
    return {
        "units": dict(zip(names, counts.tolist(), strict=True)),
        "live_units": dict(zip(names, live, strict=True)),
        "matrix": np.round(matrix[np.ix_(kept, kept)], 2).tolist(),
    }


def _importance(
    bundle: Bundle,
    reader: SampleReader,
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray,
    end: float,
    notes: list[str],
) -> dict[str, Any]:
    specs = bundle.metadata.model_inputs()
    at = spaced(len(labels), _IMPORTANCE_ROWS)
    rows = SplitRows({name: values[at] for name, values in inputs.items()}, labels[at])
    groups = {
        name: members
        for name, members in bundle.metadata.features.groups.items()
        if len(members) < len(specs)
    }
    found: dict[str, Any] = {"rows": len(at)}
    all_groups = {"features": None, **({"groups": groups} if groups else {})}
    for what, together in all_groups.items():
        left = end - time.monotonic()
        rises = permutation_importance(reader.probs, rows, specs, len(at), left, groups=together)
        found[what] = rises
        wanted = len(together or {spec.history or spec.name for spec in specs})
        if len(rises) < wanted:
            notes.append(
                f"the importance of {wanted - len(rises)} of {wanted} {what} was not measured: the "
                "time of evaluate.report.seconds was over"
            )
    return found


def _plane(
    names: Sequence[str], z: np.ndarray, labels: np.ndarray, end: float, notes: list[str]
) -> dict[str, Any] | None:
    missing = missing_for_two_dimensions()
    if missing is None and time.monotonic() + _PLANE_SECONDS > end:
        missing = (
            "the representations are not drawn in two dimensions: the time of "
            "evaluate.report.seconds was over"
        )
    at = spaced(len(z), _PLANE_POINTS // len(names))
    if missing is None and len(at) < _PLANE_LEAST:
        missing = f"the representations of {len(at)} rows are too few for two dimensions"
    if missing is not None:
        notes.append(missing)
        return None
    points = in_two_dimensions(z[at])
    return {
        "labels": labels[at].astype(int).tolist(),
        "points": {name: points[:, place].tolist() for place, name in enumerate(names)},
    }


def _rounded(value: Any) -> Any:
    """The same with floats of six digits, which no picture shows more of."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(name): _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
