"""Distances of distributions beside slower definitions of them."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from pipeline.daily.distances import Histogram, jensen_shannon, l_infinity


def slow_l_infinity(one, other):
    return max(abs(one.get(token, 0.0) - other.get(token, 0.0)) for token in {*one, *other})


def slow_jensen_shannon(one, other):
    """Every bucket is cut at every edge of both; a bucket without width is a cell of its own."""
    edges = sorted({*one.edges, *other.edges})
    cells = [(low, high) for low, high in itertools.pairwise(edges)]
    cells += [(edge, edge) for edge in edges] + ["missing"]

    def share(histogram, cell):
        total = sum(histogram.counts) + histogram.missing
        if cell == "missing":
            return histogram.missing / total
        found = 0.0
        for i, count in enumerate(histogram.counts):
            low, high = histogram.edges[i], histogram.edges[i + 1]
            if low == high:
                found += count if cell == (low, high) else 0.0
            elif cell[0] != cell[1] and low <= cell[0] and cell[1] <= high:
                found += count * (cell[1] - cell[0]) / (high - low)
        return found / total

    divergence = 0.0
    for cell in cells:
        p, q = share(one, cell), share(other, cell)
        for part in (p, q):
            if part:
                divergence += part * math.log2(part / ((p + q) / 2)) / 2
    return divergence


def test_l_infinity_is_that_of_the_definition():
    rng = np.random.default_rng(1)
    for _ in range(20):
        shares = rng.dirichlet(np.ones(6), 2)
        one = dict(zip("abcdef", shares[0], strict=True))
        other = dict(zip("cdefgh", shares[1], strict=True))
        distance, token = l_infinity(one, other)
        assert distance == pytest.approx(slow_l_infinity(one, other))
        assert abs(one.get(token, 0.0) - other.get(token, 0.0)) == distance


def test_the_distance_to_nothing_is_that_of_the_most_frequent_token():
    assert l_infinity({"a": 0.7, "b": 0.3}, {}) == (0.7, "a")
    assert l_infinity({}, {}) == (0.0, "")


@pytest.mark.parametrize("seed", range(8))
def test_jensen_shannon_is_that_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=300), rng.normal(rng.normal(), 1 + rng.random(), size=200)
    values[1][: 10 * seed] = np.nan
    one, other = map(Histogram.of, values)
    assert jensen_shannon(one, other) == pytest.approx(slow_jensen_shannon(one, other))
    assert jensen_shannon(one, other) == pytest.approx(jensen_shannon(other, one))
    assert jensen_shannon(one, one) == 0.0


def test_jensen_shannon_on_equal_edges_is_scipys():
    edges = (0.0, 1.0, 2.0, 3.0)
    counts = (5.0, 1.0, 4.0), (1.0, 1.0, 8.0)
    ours = jensen_shannon(*(Histogram(edges, each) for each in counts))
    assert ours == pytest.approx(jensenshannon(*counts, base=2) ** 2)


def test_one_value_alone_lies_apart_from_those_around_it():
    spread, point = Histogram.of(np.linspace(0, 1, 100)), Histogram.of(np.full(50, 0.5))
    assert point.counts == (50.0,)
    assert jensen_shannon(spread, point) == pytest.approx(1.0)
    assert jensen_shannon(spread, point) == pytest.approx(slow_jensen_shannon(spread, point))
    assert jensen_shannon(point, Histogram.of(np.full(7, 0.5))) == 0.0
    some = Histogram.of(np.r_[np.full(7, 0.5), np.full(3, np.nan)])
    assert 0.0 < jensen_shannon(point, some) < 1.0
    assert jensen_shannon(point, some) == pytest.approx(slow_jensen_shannon(point, some))


def test_a_histogram_without_values_is_as_far_as_can_be():
    empty = Histogram.of(np.array([]))
    assert jensen_shannon(empty, Histogram.of(np.arange(5.0))) == 1.0
    assert jensen_shannon(empty, empty) == 0.0


def test_buckets_have_one_width_and_hold_all_numbers():
    histogram = Histogram.of(np.array([0.0, 0.5, 10.0, np.nan]))
    np.testing.assert_allclose(np.diff(histogram.edges), 1.0)
    assert histogram.counts[0] == 2.0
    assert histogram.counts[-1] == 1.0
    assert histogram.missing == 1
