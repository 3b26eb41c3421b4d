import itertools

import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import RepresentationDistance
from tests.replicas import per_replica


def oracle(z):
    pairs = list(itertools.combinations(range(z.shape[1]), 2))
    return np.mean([np.linalg.norm(x[i] - x[j]) for x in z.astype("float64") for i, j in pairs])


Z = np.random.default_rng(0).normal(size=(7, 3, 4)).astype("float32")


@pytest.mark.parametrize(("direction", "sign"), [("minimal", 1.0), ("maximal", -1.0)])
def test_matches_oracle(direction, sign):
    np.testing.assert_allclose(RepresentationDistance(direction)(Z), sign * oracle(Z), rtol=1e-5)


def test_gradient_is_finite_where_branches_agree():
    z = tf.ones((2, 3, 4))
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = RepresentationDistance()(z)
    np.testing.assert_array_equal(tape.gradient(loss, z), np.zeros((2, 3, 4)))


def test_shares_of_two_replicas_add_up(two_replicas):
    shares = per_replica(two_replicas, RepresentationDistance(), Z, at=2)
    np.testing.assert_allclose(sum(shares), oracle(Z), rtol=1e-5)


def test_rejects_an_unknown_direction():
    with pytest.raises(ValueError, match=r"minimal, maximal.*'moderate'"):
        RepresentationDistance("moderate")
