"""How far two distributions of one feature lie apart, as tensorflow-data-validation measures it.

Reference: tensorflow/data-validation@7ee4912, tensorflow_data_validation/anomalies/metrics.cc:
`LInftyDistance` and `JensenShannonDivergence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BUCKETS = 10  # of a standard histogram there


@dataclass(frozen=True)
class Histogram:
    """A standard histogram: buckets of one width from the least to the greatest value.

    Args:
        edges: Limits of the buckets, one more than there are counts; all the same where there is
            one value alone, which is then one bucket.
        counts: Values in each bucket.
        missing: Values that are no number.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    missing: int = 0

    @classmethod
    def of(cls, values: np.ndarray) -> "Histogram":
        """The histogram of numbers of any shape."""
        flat = values.astype(np.float64).ravel()
        numbers = flat[np.isfinite(flat)]
        missing = int(len(flat) - len(numbers))
        if not len(numbers):
            return cls((), (), missing)
        least, greatest = float(numbers.min()), float(numbers.max())
        if least == greatest:
            return cls((least, greatest), (float(len(numbers)),), missing)
        counts, edges = np.histogram(numbers, BUCKETS, (least, greatest))
        return cls(tuple(map(float, edges)), tuple(map(float, counts)), missing)


def l_infinity(one: Mapping[str, float], other: Mapping[str, float]) -> tuple[float, str]:
    """The greatest difference of the share of any one token, and that token.

    Args:
        one: Token -> its share, from 0 to 1; a token that is not named has the share 0.
        other: The same of another day.

    Returns:
        The distance, 0 and "" where both are empty. Of equally distant tokens the first by name.
    """
    names = sorted({*one, *other})
    if not names:
        return 0.0, ""
    apart = [abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in names]
    place = int(np.argmax(apart))
    return apart[place], names[place]


def jensen_shannon(one: Histogram, other: Histogram) -> float:
    """The Jensen-Shannon divergence of two histograms in bits, from 0 to 1.

    Both are spread over the limits of both, values being taken to lie evenly in a bucket; values
    that are no number are a bucket of their own. With M the mean of the distributions P and Q:

        JSD(P, Q) = (KL(P, M) + KL(Q, M)) / 2,  KL(P, M) = sum(p * log2(p / m))

    Returns:
        The divergence; 1 where one of them alone is empty, 0 where both are.
    """
    limits = np.unique(np.array([*one.edges, *other.edges]))
    points = sorted({each.edges[0] for each in (one, other) if _is_point(each)})
    masses = [_spread(each, limits, points) for each in (one, other)]
    totals = [mass.sum() for mass in masses]
    if not all(totals):
        return float(any(totals))
    p, q = (mass / total for mass, total in zip(masses, totals, strict=True))
    mean = (p + q) / 2.0
    return max(0.0, (_relative_entropy(p, mean) + _relative_entropy(q, mean)) / 2.0)


def _is_point(histogram: Histogram) -> bool:
    return len(histogram.counts) == 1 and histogram.edges[0] == histogram.edges[1]


def _spread(histogram: Histogram, limits: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Counts between the limits, then at the points, then of what is no number."""
    between = np.zeros(max(len(limits) - 1, 0))
    at = np.zeros(len(points))
    if _is_point(histogram):
        at[points.index(histogram.edges[0])] = histogram.counts[0]
    elif histogram.counts:
        below = np.interp(limits, histogram.edges, np.r_[0.0, np.cumsum(histogram.counts)])
        between = np.diff(below)
    return np.r_[between, at, float(histogram.missing)]


def _relative_entropy(p: np.ndarray, mean: np.ndarray) -> float:
    there = p > 0.0
    return float(p[there] @ np.log2(p[there] / mean[there]))
