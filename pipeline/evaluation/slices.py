"""The rows of a split by the values of one feature, and how well each part is predicted."""

from typing import Any

import numpy as np

from features.bundle import Bundle
from features.inputs import InputSpec
from models.metrics import auc
from pipeline.evaluation.scores import value_or_none
from pipeline.evaluation.value_names import (
    MISSING,
    UNKNOWN,
    are_buckets,
    id_names,
    raw_numbers,
    unknown_ids,
)
from pipeline.evaluation.weighted_metrics import weighted_metrics

OTHERS = "all others"


def feature_slices(
    bundle: Bundle, spec: InputSpec, values: np.ndarray, most: int = 8
) -> dict[str, np.ndarray]:
    """Rows by the value of a feature.

    Of tokens and buckets the most frequent stand alone, those outside the vocabulary are together,
    and so are all others; a row of several tokens is in several slices. Numbers are cut into fifths
    of their rows, histories by their length.

    Args:
        bundle: Bundle that the rows are of.
        spec: The feature's input.
        values: Its values, (rows,) or (rows, length).
        most: Slices of single tokens.

    Returns:
        Name of the slice -> which rows are in it, bool (rows,); none of given vectors.
    """
    if spec.kind == "dense":
        return {}
    if spec.kind == "sequence":
        return _fifths((values > 0).sum(axis=1).astype(np.float64), "empty", "length {}")
    if spec.kind == "numeric":
        return _fifths(raw_numbers(bundle, spec, values), None, "{}")
    return _by_token(bundle, spec, values, most)


def slice_metrics(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray, inside: np.ndarray
) -> dict[str, Any]:
    """How well the rows of a slice are predicted.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Probabilities, (rows,).
        weights: How often each row counts, (rows,).
        inside: Which rows are in the slice, bool (rows,).

    Returns:
        `rows`, `click_rate`, `auc`, `logloss`, `normalized_entropy` and `calibration`; None where
        the rows define none.
    """
    labels, probs, weights = labels[inside], probs[inside], weights[inside]
    metrics = weighted_metrics(labels, probs, weights)
    named = {name.removeprefix("weighted_"): value for name, value in metrics.items()}
    return {
        "rows": int(inside.sum()),
        "click_rate": float(np.average(labels, weights=weights)) if inside.any() else None,
        "auc": value_or_none(auc(labels, probs)),
        **{name: value_or_none(value) for name, value in named.items()},
    }


def token_members(bundle: Bundle, spec: InputSpec, values: np.ndarray) -> dict[str, np.ndarray]:
    """Name of a token -> which rows have it, bool (rows,).

    Args:
        bundle: Bundle that the rows are of.
        spec: A `categorical` or `multivalued` input.
        values: Its ids, (rows,) or (rows, length) padded with 0.

    Returns:
        The most frequent first; buckets of numbers in their order.
    """
    ids = values.reshape(len(values), -1)
    members: dict[str, np.ndarray] = {}
    for each, name in id_names(bundle, spec, np.unique(ids)).items():
        inside = np.all(ids == 0, axis=1) if each == 0 else np.any(ids == each, axis=1)
        if inside.any():
            members[name] = members[name] | inside if name in members else inside
    if are_buckets(bundle, spec):
        return members
    return dict(sorted(members.items(), key=lambda item: -int(item[1].sum())))


def _by_token(
    bundle: Bundle, spec: InputSpec, values: np.ndarray, most: int
) -> dict[str, np.ndarray]:
    ids, unknown = values.reshape(len(values), -1), unknown_ids(bundle, spec)
    found, counts = np.unique(ids[ids > 0], return_counts=True)
    known = [each for each in found[np.argsort(-counts, kind="stable")] if each not in unknown]
    # Where few are left over they need no slice of their own.
    single = known[:most] if len(known) > most + 1 else known
    names = id_names(bundle, spec, single)
    slices = {
        names[each]: np.any(ids == each, axis=1)
        for each in (sorted(single) if are_buckets(bundle, spec) else single)
    }
    rest = known[len(single) :]
    if rest:
        slices[f"{OTHERS} ({len(rest):,})"] = np.any(np.isin(ids, rest), axis=1)
    slices[UNKNOWN] = np.any(np.isin(ids, unknown), axis=1)
    slices[MISSING] = np.all(ids <= 0, axis=1)
    return {name: inside for name, inside in slices.items() if inside.any()}


def _fifths(numbers: np.ndarray, zero: str | None, unit: str) -> dict[str, np.ndarray]:
    there = ~np.isnan(numbers)
    if zero is not None:
        there &= numbers > 0
    slices: dict[str, np.ndarray] = {}
    if there.any():
        limits = np.unique(np.quantile(numbers[there], np.linspace(0.2, 0.8, 4), method="higher"))
        part_of = np.searchsorted(limits, numbers, side="left")
        for part in np.unique(part_of[there]):
            inside = there & (part_of == part)
            low, high = numbers[inside].min(), numbers[inside].max()
            span = f"{low:.5g}" if low == high else f"{low:.5g} to {high:.5g}"
            slices[unit.format(span)] = inside
    if not there.all():
        slices[zero or MISSING] = ~there
    return slices
