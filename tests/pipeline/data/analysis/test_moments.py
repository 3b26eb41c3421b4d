import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.analysis.moments import Moments, merged, moments_of


@pytest.mark.parametrize("offset", [0.0, 1e6], ids=["centred", "far from 0"])
def test_merged_parts_equal_the_whole(offset):
    # Naive sums of squares in float32, or float64 far from 0, would fail here.
    values = (np.random.default_rng(5).normal(size=10_001) + offset).astype(np.float32)
    parts = [moments_of(pa.array(part)) for part in np.array_split(values, 17)]
    total = merged(parts)
    exact = values.astype(np.float64)
    assert total.count == 10_001
    np.testing.assert_allclose(total.mean, exact.mean(), rtol=1e-14)
    np.testing.assert_allclose(total.variance, exact.var(), rtol=1e-9)
    assert (total.minimum, total.maximum) == (exact.min(), exact.max())


def test_missing_values_do_not_count():
    found = moments_of(pa.array([1.0, None, 3.0], pa.float32()))
    assert found == Moments(count=2, mean=2.0, m2=2.0, minimum=1.0, maximum=3.0)


def test_parts_without_values_change_nothing():
    empty, some = moments_of(pa.array([None], pa.float32())), moments_of(pa.array([-2.0, -4.0]))
    assert merged([empty, some, empty]) == some
    assert merged([]).variance == 0.0
