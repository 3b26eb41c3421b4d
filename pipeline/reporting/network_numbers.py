"""The numbers of a report that a network has to be asked about again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tf_keras

from features.bundle import Bundle
from models.network.logit_map import LogitMaps
from pipeline.evaluation.feature_importance import permutation_importance
from pipeline.evaluation.loss_gradients import gradient_directions
from pipeline.evaluation.metric_intervals import spaced
from pipeline.evaluation.representations import (
    in_two_dimensions,
    live_unit_correlations,
    missing_for_two_dimensions,
    unit_strengths,
)
from pipeline.evaluation.sample_outputs import SampleReader
from pipeline.evaluation.split_rows import SplitRows

MOST_ROWS = 4_000  # that it is asked about
_FOR_IMPORTANCE = 0.6  # share of the time
_GRADIENT_ROWS = 2_048
_PLANE_POINTS = 1_200  # of all branches together
_PLANE_SECONDS = 4.0  # that so many points may take
_PLANE_LEAST = 40  # rows
_MOST_UNITS = 96  # of all branches together whose correlations are kept
_QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Question:
    """A network, and the rows that it is asked about.

    Args:
        network: The trained network.
        bundle: Its bundle.
        maps: What its logits go through before they are probabilities.
        rows: The rows, with labels.
        seconds: Time that importance and the representations in two dimensions may take; the
            rest is bounded by the rows.
        notes: Sentences on what is left out, and why, are added to it.
    """

    network: tf_keras.Model
    bundle: Bundle
    maps: LogitMaps
    rows: SplitRows
    seconds: float
    notes: list[str] = field(default_factory=list)


def network_numbers(question: Question, gradients: bool) -> dict[str, Any]:
    """Fusion weights, units, gradients, importance and representations in two dimensions.

    Args:
        question: What is asked.
        gradients: Whether to look where the loss terms' gradients point.

    Returns:
        As `pipeline.reporting.numbers.report_numbers` describes them, those that apply.
    """
    names = question.network.branch_names
    reader = SampleReader(question.network, question.maps)
    said = reader.read(question.rows.inputs)
    z = said.representations
    widths = question.network.widths or [z.shape[2]] * z.shape[1]
    numbers: dict[str, Any] = {}
    if said.fusion_weights is not None and np.ptp(said.fusion_weights) != 0.0:
        quantiles = np.percentile(said.fusion_weights, _QUANTILES, axis=0).T
        numbers["fusion_weights"] = dict(zip(names, quantiles.tolist(), strict=True))
    if len(names) > 1:
        numbers["units"] = dict(zip(names, unit_strengths(z, widths), strict=True))
        numbers["unit_correlations"] = _unit_correlations(names, z, widths)
    if gradients:
        numbers |= _gradients(question)
    end = time.monotonic() + question.seconds
    first = end - (1.0 - _FOR_IMPORTANCE) * question.seconds
    numbers["importance"] = _importance(question, reader, first)
    if len(names) > 1:
        numbers |= _plane(question, z, end)
    return numbers


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


def _gradients(question: Question) -> dict[str, Any]:
    inputs, labels = question.rows
    at = spaced(len(labels), _GRADIENT_ROWS)
    batch = {name: values[at] for name, values in inputs.items()}
    directions = gradient_directions(question.network, batch, labels[at])
    if directions is None:
        question.notes.append(
            "where the loss terms' gradients point is not shown: several replicas or parameter "
            "servers hold the network"
        )
        return {}
    return {"gradients": directions}


def _importance(question: Question, reader: SampleReader, end: float) -> dict[str, Any]:
    specs, rows = question.bundle.metadata.model_inputs(), question.rows
    groups = {
        name: members
        for name, members in question.bundle.metadata.features.groups.items()
        if len(members) < len(specs)
    }
    found: dict[str, Any] = {"rows": len(rows.labels)}
    asked = {"features": None, **({"groups": groups} if groups else {})}
    for what, together in asked.items():
        left = end - time.monotonic()
        rises = permutation_importance(
            reader.probs, rows, specs, len(rows.labels), left, groups=together
        )
        found[what] = rises
        wanted = len(together or {spec.history or spec.name for spec in specs})
        if len(rises) < wanted:
            question.notes.append(
                f"the importance of {wanted - len(rises)} of {wanted} {what} was not measured: the "
                "time of evaluate.report.seconds was over"
            )
    return found


def _plane(question: Question, z: np.ndarray, end: float) -> dict[str, Any]:
    names, labels = question.network.branch_names, question.rows.labels
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
        question.notes.append(missing)
        return {}
    points = in_two_dimensions(z[at])
    return {
        "plane": {
            "labels": labels[at].astype(int).tolist(),
            "points": {name: points[:, place].tolist() for place, name in enumerate(names)},
        }
    }
