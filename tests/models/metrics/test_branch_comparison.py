import itertools
import math

import numpy as np
import pytest

from models.metrics import best_share, disagreement


def logloss(label, prob):
    with np.errstate(divide="ignore"):
        return -np.log(prob if label else 1 - prob)


def rows(count=400, n=4, seed=0):
    """Probabilities on a coarse grid: many ties, many at just 0.5, some at 0 and 1."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, count), rng.integers(0, 9, (count, n)) / 8


@pytest.mark.parametrize("threshold", [math.log(2.0), 0.3, 1.2])
def test_disagreement_matches_oracle(threshold):
    labels, probs = rows()
    probs = probs * 0.98 + 0.01  # 0.5 stays 0.5
    expected = []
    for a, b in itertools.combinations(range(4), 2):
        strong_and_weak = 0
        for label, row in zip(labels, probs, strict=True):
            one, other = sorted((logloss(label, row[a]), logloss(label, row[b])))
            strong_and_weak += one < threshold < other
        expected.append(strong_and_weak / len(labels))
    np.testing.assert_allclose(disagreement(labels, probs, threshold), expected)
    assert 0.05 < np.mean(expected) < 0.6


def test_at_ln_2_branches_disagree_where_one_half_lies_between_them():
    labels, probs = rows()
    a, b = probs[:, 0], probs[:, 1]
    between = np.mean((np.minimum(a, b) < 0.5) & (np.maximum(a, b) > 0.5))
    for same in (labels, 1 - labels):  # whatever the label
        assert disagreement(same, probs)[0] == between
    assert disagreement([1], [[0.5, 0.9]]) == disagreement([1], [[0.5, 0.1]]) == 0.0


def test_disagreement_reaches_0_and_1():
    labels = np.array([0, 1, 1])
    right = np.where(labels, 0.9, 0.1)
    np.testing.assert_array_equal(disagreement(labels, np.stack([right, right], 1)), [0.0])
    np.testing.assert_array_equal(disagreement(labels, np.stack([right, 1 - right], 1)), [1.0])
    assert disagreement(labels, right[:, None]).shape == (0,)  # one branch, no pair


def test_best_share_matches_oracle_and_splits_ties():
    labels, probs = rows()
    expected = np.zeros(4)
    for label, row in zip(labels, probs, strict=True):
        losses = np.array([logloss(label, p) for p in row])
        best = losses == losses.min()
        expected += best / best.sum() / len(labels)
    shares = best_share(labels, probs)
    np.testing.assert_allclose(shares, expected, atol=1e-12)
    assert shares.sum() == pytest.approx(1.0)


def test_best_share_sees_differences_that_the_logloss_rounds_away():
    np.testing.assert_array_equal(best_share([0, 0], [[1e-30, 1e-20]] * 2), [1.0, 0.0])


def test_no_rows_are_nan():
    assert np.isnan(disagreement([], np.zeros((0, 3)))).tolist() == [True] * 3
    assert np.isnan(best_share([], np.zeros((0, 3)))).tolist() == [True] * 3


@pytest.mark.parametrize("function", [disagreement, best_share])
@pytest.mark.parametrize(
    ("labels", "probs", "message"),
    [
        ([0, 1], [[0.5, 0.5]], r"labels \(2,\) and probs \(1, 2\)"),
        ([[1.0]], [[0.5, 0.5]], r"labels \(1, 1\)"),  # would broadcast
        ([1], [0.5], r"rows, branches"),
        ([2], [[0.5, 0.5]], r"must be 0 or 1. Received: \[2\]"),
        ([1], [[0.5, 1.5]], "apply the sigmoid"),
        ([1], [[0.5, np.nan]], "apply the sigmoid"),
    ],
)
def test_says_what_is_wrong_with_its_rows(function, labels, probs, message):
    with pytest.raises(ValueError, match=message):
        function(labels, probs)
