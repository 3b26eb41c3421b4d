"""How many units of a layer still say something: those that are not one number for all rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class UnitCounts(NamedTuple):
    """Units of the last layer of every branch, by what they are over some rows.

    Attributes:
        units: Units of a branch.
        dead: int64 (n,), for each branch the units that are 0 for every row.
        saturated: int64 (n,), for each branch the units that are one other number for every row.
    """

    units: int
    dead: np.ndarray
    saturated: np.ndarray


def unit_ranges(
    representations: tf.Tensor, widths: Sequence[int] | None = None
) -> dict[str, tf.Tensor]:
    """The least and the largest value of every unit over a batch, as a network predicts them.

    Args:
        representations: (batch, n, d).
        widths: Units of each branch, where narrower ones end in zeros; None is d for all.

    Returns:
        `unit_low` and `unit_high`, float32 (1, n, d); nan where a branch has no unit.
    """
    z = tf.cast(representations, tf.float32)
    ranges = {
        "unit_low": tf.reduce_min(z, axis=0, keepdims=True),
        "unit_high": tf.reduce_max(z, axis=0, keepdims=True),
    }
    if widths:
        there = tf.sequence_mask(widths, z.shape[2])
        ranges = {name: tf.where(there, x, np.nan) for name, x in ranges.items()}
    return ranges


def unit_counts(low: np.ndarray, high: np.ndarray) -> UnitCounts:
    """Counts dead and saturated units from the range of each over the rows.

    A ReLU that is dead gets no gradient from any of the rows; a saturated unit, such as a tanh far
    from 0, tells no row from another. A unit of a layer without activation is neither, as a rule.
    Equal means equal to float32 rounding: a range of at most 1e-6 of the unit's size.

    Example:
        >>> low, high = np.array([[0.0, 1.0, -1.0]]), np.array([[0.0, 1.0, 2.0]])
        >>> counts = unit_counts(low, high)  # of one branch with three units
        >>> int(counts.dead[0]), int(counts.saturated[0])
        (1, 1)

    Args:
        low: (n, d), the least value of each of the d units of n branches; nan where a branch that
            is narrower than another has none.
        high: (n, d), the largest.

    Raises:
        ValueError: The shapes are not both (n, d).
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if low.ndim != 2 or low.shape != high.shape:
        raise ValueError(
            "unit_counts: expected two arrays (branches, units). "
            f"Received: {low.shape} and {high.shape}."
        )
    dead = (low == 0.0) & (high == 0.0)
    constant = high - low <= 1e-6 * np.maximum(np.abs(low), np.abs(high))
    return UnitCounts(low.shape[1], dead.sum(axis=1), (constant & ~dead).sum(axis=1))
