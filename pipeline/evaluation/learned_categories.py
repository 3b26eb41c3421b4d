"""What each branch learns best: the categories of the examples with its lowest loglosses."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.metrics import row_losses


def best_learned(
    labels: np.ndarray, probs: Mapping[str, np.ndarray], most: int
) -> dict[str, np.ndarray]:
    """The examples that each branch has learned best: those of its lowest loglosses.

    Reference: MBCnet, arXiv:2411.13057v2, Figures 1 (a) and 7, which take 10,000 of them.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Branch -> probabilities, (rows,).
        most: How many.

    Returns:
        Branch -> places of the rows, int (most,), the best first; the earlier of equals.
    """
    labels = labels.astype(np.float64)
    return {
        name: np.argsort(row_losses(labels, values), kind="stable")[:most]
        for name, values in probs.items()
    }


def category_shares(
    best: Mapping[str, np.ndarray], categories: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """The share of each category among the best-learned examples of each branch.

    Args:
        best: From `best_learned`.
        categories: Category -> which rows are of it, bool (rows,). A row may be of several.

    Returns:
        Category -> `of_all`, its share of all rows, and `branches`: branch -> its share of the
        branch's best-learned ones.
    """
    return {
        category: {
            "of_all": float(np.mean(inside)),
            "branches": {name: float(np.mean(inside[places])) for name, places in best.items()},
        }
        for category, inside in categories.items()
    }
