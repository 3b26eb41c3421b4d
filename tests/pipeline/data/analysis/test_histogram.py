import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from pipeline.data.analysis.histogram import (
    AdaptiveHistogram,
    HistogramFn,
    float32_keys,
    float32_values,
)


def described(histogram):
    return histogram.shift, histogram.edges.tolist(), histogram.counts.tolist()


def histogram_of(values, max_bins=65_536):
    histogram = AdaptiveHistogram(max_bins)
    histogram.add(np.asarray(values))
    return histogram


def test_counts_exactly_while_the_values_fit():
    assert described(histogram_of([7, -2, 7, 7])) == (0, [-2, 7], [1, 3])


@pytest.mark.parametrize("max_bins", [2, 5, 64, 4096])
def test_parts_merged_in_any_order_equal_the_whole(max_bins):
    rng = np.random.default_rng(3)
    values = rng.integers(-10_000, 1_000_000, size=3_000)
    whole = histogram_of(values, max_bins)
    assert len(whole.edges) <= max_bins
    for cuts in ([100, 2_000], [1, 2, 3, 2_999], [1_500]):
        merged = AdaptiveHistogram(max_bins)
        for part in rng.permutation(len(cuts) + 1):
            merged.merge(histogram_of(np.split(values, cuts)[part], max_bins))
        assert described(merged) == described(whole)
    one_by_one = AdaptiveHistogram(max_bins)
    for value in values[:300]:
        one_by_one.add(np.array([value]))
    assert described(one_by_one) == described(histogram_of(values[:300], max_bins))


def test_a_cut_never_parts_equal_values():
    histogram = histogram_of([1] * 6 + [2] * 3 + [3])
    assert [histogram.cut(rows) for rows in (0, 2.9, 3.1, 6, 8, 9.4, 10)] == [1, 1, 2, 2, 3, 3, 4]
    assert AdaptiveHistogram().cut(1) is None


def test_float_keys_keep_the_order_and_come_back():
    values = np.array([-np.inf, -3.4e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 2.0, np.inf], np.float32)
    keys = float32_keys(values)
    assert (np.diff(keys) >= 0).all()
    assert keys[4] == keys[5] == 0
    np.testing.assert_array_equal(float32_values(keys), values)


def test_combines_blocks_in_a_pipeline():
    blocks = [np.arange(10), np.arange(5), np.array([], np.int64)]
    with TestPipeline() as p:
        combined = p | beam.Create(blocks) | beam.CombineGlobally(HistogramFn(max_bins=4))
        expected = described(histogram_of(np.concatenate(blocks), 4))
        assert_that(combined | beam.Map(described), equal_to([expected]), label="histogram")
