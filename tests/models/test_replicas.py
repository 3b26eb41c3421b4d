import numpy as np
import pytest

from models.replicas import global_mean, global_sum
from tests.replicas import per_replica

VALUES = np.random.default_rng(0).normal(size=(7, 2)).astype("float32")
WEIGHTS = np.array([[1.0], [0.0], [2.0], [0.5], [3.0], [0.0], [1.0]], "float32")


def test_outside_of_replicas_they_are_plain():
    np.testing.assert_allclose(global_sum(VALUES), VALUES)
    np.testing.assert_allclose(global_mean(VALUES), VALUES.mean(0), rtol=1e-6)
    expected = np.average(VALUES, axis=0, weights=WEIGHTS[:, 0])
    np.testing.assert_allclose(global_mean(VALUES, WEIGHTS), expected, rtol=1e-6)


@pytest.mark.parametrize("at", [0, 2, 7], ids=["first empty", "uneven", "second empty"])
def test_shares_add_up_to_the_mean_of_the_global_batch(two_replicas, at):
    shares = per_replica(two_replicas, global_mean, VALUES, at=at)
    np.testing.assert_allclose(sum(shares), VALUES.mean(0), rtol=1e-5)
    shares = per_replica(two_replicas, global_mean, VALUES, WEIGHTS, at=at)
    expected = np.average(VALUES, axis=0, weights=WEIGHTS[:, 0])
    np.testing.assert_allclose(sum(shares), expected, rtol=1e-5)


def test_nothing_has_mean_zero():
    np.testing.assert_array_equal(global_mean(VALUES[:0]), [0.0, 0.0])
    np.testing.assert_array_equal(global_mean(VALUES, 0 * WEIGHTS), [0.0, 0.0])


def test_an_example_of_weight_0_is_left_out_even_if_it_is_infinite():
    values = VALUES.copy()
    values[1] = np.inf
    assert np.isfinite(global_mean(values, WEIGHTS)).all()
