"""gAUC by how active the groups, such as users, are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.metrics import auc_by_group
from models.metrics.group_auc import WeightBy, group_weights
from pipeline.evaluation.scores import value_or_none


def gauc_by_activity(
    labels: np.ndarray,
    probs: Mapping[str, np.ndarray],
    groups: np.ndarray,
    weight_by: WeightBy,
    parts: int = 5,
) -> list[dict[str, Any]]:
    """Groups by rising number of rows, in parts that hold about equally many rows.

    Groups of the same number of rows stay together, so that there may be fewer parts.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Prediction -> probabilities, (rows,).
        groups: Group keys, (rows,).
        weight_by: How groups count in gAUC; see `models.metrics.group_auc`.
        parts: Most parts.

    Returns:
        By part the `least` and the `most` rows of a group, the number of `groups`, of `rows`, and
        of `mixed` groups, which have both classes; `gauc`: prediction -> gAUC of these, None where
        there are none.
    """
    sizes = np.unique(groups, return_counts=True)[1]  # in the order of the sorted keys
    if not sizes.size:
        return []
    part_of = _parts_of(sizes, parts)
    areas: dict[str, np.ndarray] = {}
    clicks = np.zeros(len(sizes))
    for name, values in probs.items():
        _, clicks, areas[name] = auc_by_group(labels, values, groups)
    weights = group_weights(sizes, clicks, weight_by)
    found = []
    for part in np.unique(part_of):
        inside = part_of == part
        mixed = inside & (clicks > 0) & (clicks < sizes)
        found.append(
            {
                "least": int(sizes[inside].min()),
                "most": int(sizes[inside].max()),
                "groups": int(inside.sum()),
                "rows": int(sizes[inside].sum()),
                "mixed": int(mixed.sum()),
                "gauc": {
                    name: value_or_none(_mean(area[mixed], weights[mixed]))
                    for name, area in areas.items()
                },
            }
        )
    return found


def _parts_of(sizes: np.ndarray, parts: int) -> np.ndarray:
    """The part of each group, by its number of rows."""
    rising = np.sort(sizes)
    rows_upto = np.cumsum(rising)
    wanted = rows_upto[-1] * np.arange(1, parts) / parts
    limits = np.unique(rising[np.searchsorted(rows_upto, wanted)])
    return np.searchsorted(limits, sizes, side="left")  # a limit belongs to the part below it


def _mean(areas: np.ndarray, weights: np.ndarray) -> float:
    return float(np.average(areas, weights=weights)) if areas.size else float("nan")
