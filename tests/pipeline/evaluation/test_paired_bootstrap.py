"""Paired intervals: metrics of drawn rows as if they were written out, and they hold the truth."""

import numpy as np
import pytest

from models.metrics import auc, logloss
from pipeline.evaluation.paired_bootstrap import paired_intervals
from pipeline.evaluation.ranked_rows import METRICS, RankedRows


def rows(count=400, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.02, 0.7, count)
    labels = (rng.random(count) < truth).astype("float64")
    return labels, truth, np.round(np.clip(truth + rng.normal(0.0, 0.2, count), 0.01, 0.99), 2)


def test_weighted_metrics_are_those_of_repeated_rows():
    labels, _, probs = rows()  # two digits: many ties
    counts = np.random.default_rng(2).integers(0, 4, len(labels)).astype("float64")
    written = np.repeat(np.arange(len(labels)), counts.astype(int))
    found = RankedRows.of(labels, probs).metrics(labels, counts)
    expected = auc(labels[written], probs[written]), logloss(labels[written], probs[written])
    np.testing.assert_allclose(found, [*expected, expected[0] - expected[1]], rtol=1e-9)


def test_intervals_match_a_slow_bootstrap_of_the_same_draws():
    labels, good, bad = rows()
    found = paired_intervals(
        labels, {"good": [good], "bad": [bad]}, np.ones(400), "good", 50, seed=3
    )
    rng, drawn = np.random.default_rng(3), []
    for _ in range(50):
        taken = rng.integers(0, 400, 400)
        drawn.append(auc(labels[taken], bad[taken]) - auc(labels[taken], good[taken]))
    difference, lower, upper = found["bad"]["auc"]
    assert difference == pytest.approx(auc(labels, bad) - auc(labels, good))
    assert (lower, upper) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    assert set(found) == {"bad"}
    assert tuple(found["bad"]) == METRICS


def test_a_pair_that_errs_alike_has_a_narrow_interval():
    labels, good, _ = rows(2_000)
    near = np.clip(good + 0.001, 0.01, 0.99)
    _, lower, upper = paired_intervals(
        labels, {"good": [good], "near": [near]}, np.ones(2_000), "good", 200
    )["near"]["logloss"]
    alone = [logloss(labels[i], good[i]) for i in np.array_split(np.arange(2_000), 20)]
    assert upper - lower < 0.1 * np.std(alone)


def test_weights_that_are_all_doubled_change_nothing():
    labels, good, bad = rows()
    probs = {"good": [good], "bad": [bad]}
    once, twice = (
        paired_intervals(labels, probs, np.full(400, weight), "good", 20) for weight in (1.0, 2.0)
    )
    assert once["bad"]["logloss"] == pytest.approx(twice["bad"]["logloss"])
