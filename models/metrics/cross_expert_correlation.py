"""Cross-expert correlation: how much of one branch's representation another one repeats."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.replicas import global_sum

# A column is constant where its sum of squared deviations is at most this times its squared mean.
# Rounding in float64 stays below it, and a single float32 step in one of many rows lies above it.
_CONSTANT = 1e-16


def cross_expert_correlation(representations: np.ndarray) -> float:
    """The sum over pairs of branches of `cross_expert_correlation_by_pair`, as D-MoE's Figure 5.

    Example:
        >>> x = np.array([[1.0], [2.0], [3.0]])  # (rows, width), and two branches that repeat it
        >>> round(cross_expert_correlation(np.stack([x, 2 * x, -x], axis=1)), 6)
        3.0

    Args:
        representations: (rows, n, d), of n >= 2 branches.

    Returns:
        The sum; nan where there are fewer than two rows.
    """
    return float(np.sum(cross_expert_correlation_by_pair(representations)))


def cross_expert_correlation_by_pair(
    representations: np.ndarray, live_only: bool = False
) -> np.ndarray:
    """CEC of every pair of branches: the mean |Pearson r| over the d x d pairs of dimensions.

        CEC(X, Y) = 1 / d^2  sum_ij |r_ij|,  r_ij = cov(X_i, Y_j) / (std(X_i) std(Y_j))    (Eq. 14)

    A dimension that is constant over the rows correlates with nothing: its r is 0, and every dead
    unit makes the branches look less alike. `live_only` averages over the other dimensions alone.

    Reference: D-MoE, arXiv:2505.17925v1, section 4.3.

    Example:
        >>> x = np.array([[1.0], [2.0], [3.0]])
        >>> y = np.array([[1.0], [0.0], [1.0]])
        >>> cross_expert_correlation_by_pair(np.stack([x, -x, y], axis=1)).round(6)
        array([1., 0., 0.])

    Args:
        representations: (rows, n, d), of n >= 2 branches.
        live_only: Whether constant dimensions are left out of the mean.

    Returns:
        float64 (n (n - 1) / 2,), the pairs (a, b) with a < b in the order of
        `itertools.combinations`; nan where there are fewer than two rows, and with `live_only`
        where all dimensions of a branch are constant.
    """
    x = np.asarray(representations, np.float64)
    _check_shape("cross_expert_correlation", x.shape)
    pairs = list(itertools.combinations(range(x.shape[1]), 2))
    if len(x) < 2:
        return np.full(len(pairs), np.nan)
    mean = x.mean(axis=0)  # (n, d)
    x = x - mean
    squares = np.sum(x * x, axis=0)
    # Not `squares > ...`: nan must stay nan.
    constant = squares <= _CONSTANT * mean**2
    x /= np.where(constant, np.inf, np.sqrt(squares))
    sums = np.array([np.sum(np.abs(x[:, a].T @ x[:, b])) for a, b in pairs])
    live = (~constant).sum(axis=1) if live_only else np.full(x.shape[1], x.shape[2])
    return _over_counts(sums, live, pairs)


def _over_counts(sums: np.ndarray, counts: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Means from sums over the pairs of dimensions; nan where there are none."""
    products = np.array([counts[a] * counts[b] for a, b in pairs], np.float64)
    return np.divide(sums, products, out=np.full(len(sums), np.nan), where=products > 0)


@tf_keras.utils.register_keras_serializable(package="concord")
class CrossExpertCorrelation(tf_keras.metrics.Metric):
    """`cross_expert_correlation` over everything seen since the last reset, rows not kept.

    Batches are merged by count, means and co-moments (Chan, Golub and LeVeque 1983), so the result
    is that of all rows at once also where means are far larger than spreads. The state is float64:
    8 x n (n - 1) / 2 x d^2 bytes of products, such as 0.4 MB for 3 branches of width 128 and 90 MB
    for 10 of width 500.

    Under a tf.distribute strategy `update_state` in replica context merges the global batch, and
    every replica makes the same update; outside of replicas it takes the batch as it is.

    Example:
        >>> metric = CrossExpertCorrelation()
        >>> x = tf.constant([[1.0], [2.0], [4.0]])
        >>> metric.update_state(tf.stack([x, -x], axis=1))
        >>> round(float(metric.result()), 6)
        1.0

    Args:
        num_branches: n; by default it and the width are those of the first update.
        width: d. Give both or neither.
        widths: Dimensions of each branch where narrower ones end in zeros, which then do not count;
            None is d for all.
    """

    def __init__(
        self,
        num_branches: int | None = None,
        width: int | None = None,
        name: str = "cross_expert_correlation",
        widths: Sequence[int] | None = None,
    ):
        super().__init__(name=name, dtype="float64")
        if (num_branches is None) != (width is None):
            raise ValueError(
                "CrossExpertCorrelation: give both `num_branches` and `width`, or neither. "
                f"Received: num_branches={num_branches}, width={width}."
            )
        self.num_branches, self.width = num_branches, width
        self.widths = None if widths is None else tuple(widths)
        self._state: tuple[tf.Variable, ...] = ()
        if num_branches is not None and width is not None:
            self._create(num_branches, width)

    def update_state(self, representations: tf.Tensor) -> None:
        """Adds a batch (B, n, d); it may be empty."""
        x = tf.cast(representations, self.dtype)
        _check_shape(self.name, x.shape, self.num_branches, self.width)
        if not self._state:
            self._create(*x.shape[1:])
        seen, mean, squares, products = self._state
        # The global batch: its mean first, moments about that mean second.
        share = tf.cast(tf.shape(x)[0], self.dtype), tf.reduce_sum(x, axis=0)
        rows, batch_sum = global_sum(share)
        batch_mean = tf.math.divide_no_nan(batch_sum, rows)  # (n, d)
        x -= batch_mean
        share = tf.reduce_sum(x * x, axis=0), _over_pairs(x)
        batch_squares, batch_products = global_sum(share)  # (n, d), (pairs, d, d)
        total = seen + rows
        step = batch_mean - mean
        weight = tf.math.divide_no_nan(seen * rows, total)
        squares.assign_add(batch_squares + weight * step * step)
        products.assign_add(batch_products + weight * _over_pairs(step[tf.newaxis]))
        mean.assign_add(tf.math.divide_no_nan(rows, total) * step)
        seen.assign(total)

    def by_pair(self, live_only: bool = False) -> tf.Tensor:
        """As `cross_expert_correlation_by_pair`; (pairs,), empty before the first update."""
        if not self._state:
            return tf.zeros((0,), self.dtype)
        seen, _, squares, products = self._state
        constant = self._constant()
        inverse = tf.where(constant, tf.zeros_like(squares), tf.math.rsqrt(squares))  # (n, d)
        scales = _over_pairs(inverse[tf.newaxis])  # (pairs, d, d)
        sums = tf.reduce_sum(tf.abs(products * scales), axis=(1, 2))
        counted = self._there() & (~constant if live_only else tf.ones_like(constant))
        counts = tf.reduce_sum(tf.cast(counted, self.dtype), axis=1)  # (n,)
        pairs = list(itertools.combinations(range(counts.shape[0]), 2))
        means = sums / tf.stack([counts[a] * counts[b] for a, b in pairs])  # 0 / 0 is nan
        return tf.where(seen < 2.0, tf.constant(np.nan, self.dtype), means)

    def constant_units(self) -> tf.Tensor:
        """How many dimensions of each branch are constant; int32 (n,), empty before any update."""
        if not self._state:
            return tf.zeros((0,), tf.int32)
        return tf.reduce_sum(tf.cast(self._constant() & self._there(), tf.int32), axis=1)

    def _there(self) -> tf.Tensor:
        """Which dimensions are a branch's own, bool (n, d)."""
        widths = self.widths or [self.width] * (self.num_branches or 0)
        return tf.sequence_mask(widths, self.width)

    def _constant(self) -> tf.Tensor:
        _, mean, squares, _ = self._state
        return squares <= _CONSTANT * mean * mean  # (n, d)

    def result(self) -> tf.Tensor:
        if not self._state:
            return tf.constant(np.nan, self.dtype)
        return tf.reduce_sum(self.by_pair())

    def reset_state(self) -> None:
        for variable in self._state:
            variable.assign(tf.zeros_like(variable))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "num_branches": self.num_branches,
            "width": self.width,
            "widths": self.widths,
        }

    def _create(self, num_branches: int, width: int) -> None:
        _check_shape(self.name, (None, num_branches, width))
        num_pairs = num_branches * (num_branches - 1) // 2
        shapes = {
            "rows": (),
            "means": (num_branches, width),
            "squares": (num_branches, width),
            "products": (num_pairs, width, width),
        }
        # Every replica writes the same values, so they are not to be summed.
        state = tuple(
            self.add_weight(
                name,
                shape=shape,
                initializer="zeros",
                synchronization=tf.VariableSynchronization.ON_WRITE,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for name, shape in shapes.items()
        )
        self.num_branches, self.width, self._state = num_branches, width, state


def _over_pairs(x: tf.Tensor) -> tf.Tensor:
    """sum_b x[b, p, i] x[b, q, j] for every pair p < q: (B, n, d) -> (pairs, d, d)."""
    # A branch with all that follow it: no more products than pairs, and few multiplications.
    last = x.shape[1] - 1
    parts = [tf.einsum("bi,bqj->qij", x[:, p], x[:, p + 1 :]) for p in range(last)]
    return tf.concat(parts, axis=0)


def _check_shape(
    where: str, shape: Any, num_branches: int | None = None, width: int | None = None
) -> None:
    """Refuses what is not (rows, n >= 2, d), or not the n and d of earlier batches."""
    n, d = tuple(shape)[1:] if len(shape) == 3 else (None, None)
    if not n or not d or n < 2 or (num_branches or n, width or d) != (n, d):
        expected = f"(rows, {num_branches or 'n >= 2'}, {width or 'd >= 1'})"
        raise ValueError(
            f"{where}: expected representations {expected}. Received: {tuple(shape)}. "
            "Stack the branches on axis 1; one branch has no other to correlate with."
        )
