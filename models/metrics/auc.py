"""Exact area under the ROC curve, ties counted half."""

import numpy as np


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """The probability that a positive example scores above a negative one; a tie counts 1/2.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75

    Args:
        labels: 0s and 1s, (rows,).
        scores: Logits or probabilities, (rows,).

    Returns:
        The AUC; nan where only one class is present.
    """
    _, clicks, areas = auc_by_group(labels, scores, np.zeros(np.size(labels), np.int8))
    return float(areas[0]) if clicks.size else float("nan")


def auc_by_group(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The AUC inside every group, from rank sums (Mann-Whitney), without a loop over groups.

    Args:
        labels: 0s and 1s, (rows,).
        scores: Logits or probabilities, (rows,).
        groups: Group keys, (rows,), of any type that sorts.

    Returns:
        Rows, positives and AUC of each group, in the order of the sorted keys; the AUC of a group
        with one class is nan.

    Raises:
        ValueError: The arrays differ in length, labels are not 0 or 1, or a score is not finite.
    """
    labels, scores, groups = (np.ravel(each) for each in (labels, scores, groups))
    if not labels.size == scores.size == groups.size:
        raise ValueError(
            "labels, scores and groups must have one entry per row. "
            f"Received: {labels.size}, {scores.size} and {groups.size} entries."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1. Received: {np.unique(labels)[:5].tolist()}.")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite. Received: {(~np.isfinite(scores)).sum()} others.")
    order = np.lexsort((scores, groups))
    labels, scores, groups = labels[order].astype(bool), scores[order], groups[order]
    new_group = np.r_[True, groups[1:] != groups[:-1]][: labels.size]
    new_run = new_group | np.r_[True, scores[1:] != scores[:-1]][: labels.size]  # of ties
    group_starts, run_starts = np.flatnonzero(new_group), np.flatnonzero(new_run)
    group = np.cumsum(new_group) - 1
    run_stops = np.r_[run_starts[1:], labels.size]
    # Rows of a run of ties share the mean of their ranks, counted from 1 inside the group.
    mean_rank = (run_starts + 1 + run_stops) / 2.0 - group_starts[group[run_starts]]
    rank = mean_rank[np.cumsum(new_run) - 1]
    rows = np.bincount(group, minlength=group_starts.size)
    positives = np.bincount(group, weights=labels, minlength=group_starts.size)
    rank_sum = np.bincount(group, weights=rank * labels, minlength=group_starts.size)
    pairs = positives * (rows - positives)
    above = rank_sum - positives * (positives + 1.0) / 2.0
    areas = np.divide(above, pairs, out=np.full(rows.size, np.nan), where=pairs > 0)
    return rows, positives, areas
