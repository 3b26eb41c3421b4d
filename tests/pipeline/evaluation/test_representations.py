"""Representations unit by unit, and in two dimensions."""

import numpy as np

from pipeline.evaluation.representations import (
    in_two_dimensions,
    live_unit_correlations,
    missing_for_two_dimensions,
    unit_strengths,
)


def test_strengths_are_the_mean_softmax_of_a_branchs_own_units():
    z = np.random.default_rng(1).normal(size=(9, 2, 4)) * 100.0
    found = unit_strengths(z, (4, 3))
    for branch, width in ((0, 4), (1, 3)):
        expected = np.zeros(width)
        for row in z[:, branch, :width]:
            powers = [float(np.exp(each - row.max())) for each in row]
            expected += np.array(powers) / sum(powers) / 9
        np.testing.assert_allclose(found[branch], expected, rtol=1e-9)


def test_correlations_are_those_of_pairs_of_live_units():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(30, 2, 3)).astype("float32")
    z[:, 0, 1] = 0.0  # dead
    z[:, 1, 2] = 7.0  # saturated; and no unit of a branch that is 2 wide
    matrix, live = live_unit_correlations(z, (3, 2))
    assert live == [2, 2]
    units = [z[:, 0, 0], z[:, 0, 2], z[:, 1, 0], z[:, 1, 1]]
    expected = [[abs(np.corrcoef(a, b)[0, 1]) for b in units] for a in units]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


def test_no_live_unit_gives_no_correlation():
    matrix, live = live_unit_correlations(np.zeros((5, 2, 3)), (3, 3))
    assert (matrix.shape, live) == ((0, 0), [0, 0])


def test_branches_that_are_apart_stay_apart_in_two_dimensions():
    assert missing_for_two_dimensions() is None
    rng = np.random.default_rng(3)
    z = rng.normal(size=(40, 2, 5)) + np.array([0.0, 30.0])[None, :, None]
    points = in_two_dimensions(z)
    assert points.shape == (40, 2, 2)
    np.testing.assert_array_equal(points, in_two_dimensions(z))
    within = np.linalg.norm(points - points.mean(axis=0), axis=2).max()
    between = np.linalg.norm(points[:, 0].mean(axis=0) - points[:, 1].mean(axis=0))
    assert between > within


def test_equal_representations_are_drawn_too():
    assert np.isfinite(in_two_dimensions(np.ones((40, 2, 3)))).all()


def test_names_what_is_missing(monkeypatch):
    monkeypatch.setattr("pipeline.evaluation.representations.find_spec", lambda name: None)
    assert "pip install 'concord-ctr[report]'" in str(missing_for_two_dimensions())
