"""Counts of values in bins that widen as needed: bounded memory, the same result in any order."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

MAX_BINS = 65_536


class AdaptiveHistogram:
    """How often whole numbers occur, exactly while they fit, in bins of 2**shift otherwise.

    `shift` is always the least with at most `max_bins` bins in use, which depends on the set of
    values alone: histograms of parts, merged in any order, equal the histogram of the whole.

    Example:
        >>> histogram = AdaptiveHistogram(max_bins=2)
        >>> histogram.add(np.array([4, 5, 5, 9]))
        >>> histogram.shift, histogram.edges.tolist(), histogram.counts.tolist()
        (1, [4, 8], [3, 1])

    Args:
        max_bins: Most bins in use, at least 2: the widest bins part negative numbers from others.
    """

    def __init__(self, max_bins: int = MAX_BINS):
        if max_bins < 2:
            raise ValueError(f"AdaptiveHistogram: `max_bins` must be >= 2. Received: {max_bins}.")
        self.max_bins = max_bins
        self.shift = 0
        self.keys = np.empty(0, np.int64)  # value >> shift, increasing
        self.counts = np.empty(0, np.int64)

    @property
    def edges(self) -> np.ndarray:
        """Least value of each bin, int64 of shape (bins,), increasing."""
        return self.keys << self.shift

    @property
    def total(self) -> int:
        """Number of values counted."""
        return int(self.counts.sum())

    def add(self, values: np.ndarray) -> None:
        """Counts values, an integer array of shape (n,)."""
        keys, counts = np.unique(np.asarray(values, np.int64) >> self.shift, return_counts=True)
        self._include(keys, counts)

    def merge(self, other: "AdaptiveHistogram") -> None:
        """Adds the counts of another histogram; `other` stays as it is."""
        self._widen(max(self.shift, other.shift))
        self._include(other.keys >> (self.shift - other.shift), other.counts)

    def cut(self, rows_below: float) -> int | None:
        """The edge that has nearest to `rows_below` values below it.

        The result is an edge of a bin, so equal values are never parted by it. It is one past the
        last value where that is nearest, and None where nothing was counted.
        """
        if not len(self.keys):
            return None
        edges = np.append(self.edges, (self.keys[-1] + 1) << self.shift)
        below = np.concatenate([[0], np.cumsum(self.counts)])
        return int(edges[np.argmin(np.abs(below - rows_below))])

    def _widen(self, shift: int) -> None:
        keys, counts = self.keys >> (shift - self.shift), self.counts
        self.shift = shift
        self.keys, self.counts = _summed(keys, counts)

    def _include(self, keys: np.ndarray, counts: np.ndarray) -> None:
        self.keys, self.counts = _summed(
            np.concatenate([self.keys, keys]), np.concatenate([self.counts, counts])
        )
        while len(self.keys) > self.max_bins:
            self._widen(self.shift + 1)


def _summed(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys in order with the sums of their counts."""
    distinct, where = np.unique(keys, return_inverse=True)
    summed = np.zeros(len(distinct), np.int64)
    np.add.at(summed, where, counts)
    return distinct, summed


class HistogramFn(beam.CombineFn):
    """Combines integer arrays into one `AdaptiveHistogram`."""

    def __init__(self, max_bins: int = MAX_BINS):
        self._max_bins = max_bins

    def create_accumulator(self) -> AdaptiveHistogram:
        return AdaptiveHistogram(self._max_bins)

    def add_input(self, accumulator: AdaptiveHistogram, values: np.ndarray) -> AdaptiveHistogram:
        accumulator.add(values)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[AdaptiveHistogram]) -> AdaptiveHistogram:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: AdaptiveHistogram) -> AdaptiveHistogram:
        return accumulator


def float32_keys(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of the floats: int64 keys of finite float32 values.

    Both zeros have the key 0. `float32_values` takes keys back.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))


def float32_values(keys: np.ndarray) -> np.ndarray:
    """The float32 values of `float32_keys`."""
    keys = np.asarray(keys, np.int64)
    magnitude = np.abs(keys).astype(np.uint32)
    return np.where(keys >= 0, magnitude, magnitude | np.uint32(0x80000000)).view(np.float32)
