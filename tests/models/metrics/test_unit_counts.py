import numpy as np
import pytest

from models.metrics import unit_counts


def test_counts_units_that_are_zero_and_those_that_are_another_number():
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(50, 2, 6)), 0.0).astype("float32")
    z[:, 0, :3] = 0.0  # dead
    z[:, 0, 3] = 0.25  # saturated
    z[:, 1, 5] = -1.0 + 1e-7 * rng.random(50)  # saturated, but for rounding
    counts = unit_counts(z.min(axis=0), z.max(axis=0))
    assert counts.units == 6
    assert counts.dead.tolist() == [3, 0]
    assert counts.saturated.tolist() == [1, 1]


def test_one_row_that_differs_is_life():
    z = np.zeros((1000, 1, 2))
    z[7, 0, 0] = 1e-20
    assert unit_counts(z.min(axis=0), z.max(axis=0)).dead.tolist() == [1]


def test_refuses_what_is_no_range_of_units():
    with pytest.raises(ValueError, match=r"expected two arrays \(branches, units\)"):
        unit_counts(np.zeros(3), np.zeros(3))
