"""Intervals over seeds and examples: as a slow bootstrap of the same draws, and they hold truth."""

import numpy as np
import pytest

from models.metrics import auc, group_auc, logloss
from pipeline.evaluation.paired_bootstrap import paired_gauc_intervals, paired_intervals

ROWS, SEEDS = 300, 3


def runs(noise, seed, rows=ROWS, seeds=SEEDS):
    """Labels, and for each seed probabilities that err by `noise`."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.8, rows)
    labels = (rng.random(rows) < truth).astype(np.float64)
    probs = [np.clip(truth + rng.normal(0, noise, rows), 0.01, 0.99) for _ in range(seeds)]
    return labels, probs


def draws(rng, count):
    return rng.integers(0, count, count)


def test_intervals_match_a_slow_bootstrap_of_the_same_draws():
    labels, good = runs(0.05, 1)
    bad = [np.round(np.clip(p + 0.1 * np.sin(9 * p), 0.01, 0.99), 2) for p in good]  # with ties
    found = paired_intervals(labels, {"good": good, "bad": bad}, np.ones(ROWS), "good", 40, seed=5)
    for metric, of in (("auc", auc), ("logloss", logloss)):
        rng = np.random.default_rng(5)
        drawn = []
        for _ in range(40):
            rows, seeds = draws(rng, ROWS), draws(rng, SEEDS)
            means = [np.mean([of(labels[rows], x[s][rows]) for s in seeds]) for x in (bad, good)]
            drawn.append(means[0] - means[1])
        apart = np.mean([of(labels, b) - of(labels, g) for b, g in zip(bad, good, strict=True)])
        expected = (apart, *np.percentile(drawn, [2.5, 97.5]))
        assert found["bad"][metric] == pytest.approx(expected, rel=1e-9)
    assert set(found) == {"bad"}


def test_seeds_that_differ_widen_the_interval():
    labels, good = runs(0.02, 2)
    steady = [np.clip(p + 0.02, 0.01, 0.99) for p in good]
    moods = [np.clip(p + shift, 0.01, 0.99) for p, shift in zip(good, (-0.2, 0, 0.2), strict=True)]
    sides = {"good": good, "steady": steady, "moods": moods}
    found = paired_intervals(labels, sides, np.ones(ROWS), "good", 200)
    width = {name: each["logloss"][2] - each["logloss"][1] for name, each in found.items()}
    assert width["moods"] > 3 * width["steady"]


def test_gauc_matches_a_slow_bootstrap_of_users_and_seeds():
    labels, good = runs(0.05, 3)
    _, bad = runs(0.05, 4)
    groups = np.random.default_rng(0).integers(0, 20, ROWS)
    groups[:5] = np.arange(100, 105)  # users of one row, without an AUC
    sides = {"good": good, "bad": [probs[::-1] for probs in bad]}
    found = paired_gauc_intervals(labels, sides, groups, "good", "impressions", 30, seed=7)["bad"]

    def mean_of(side, users, seeds):
        means = []
        for s in seeds:
            probs = sides[side][s]
            areas = [auc(labels[groups == user], probs[groups == user]) for user in users]
            weights = [np.sum(groups == user) for user in users]
            means.append(np.average(areas, weights=weights))
        return np.mean(means)

    def apart(users, seeds):
        return mean_of("bad", users, seeds) - mean_of("good", users, seeds)

    users = [u for u in np.unique(groups) if 0 < labels[groups == u].mean() < 1]
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(30):
        chosen, seeds = draws(rng, len(users)), draws(rng, SEEDS)
        drawn.append(apart([users[i] for i in chosen], seeds))
    expected = (apart(users, range(SEEDS)), *np.percentile(drawn, [2.5, 97.5]))
    assert found == pytest.approx(expected, rel=1e-9)
    whole = [
        np.mean([group_auc(labels, probs, groups) for probs in sides[side]])
        for side in ("bad", "good")
    ]
    assert found[0] == pytest.approx(whole[0] - whole[1])


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    # Two rows of equal quality: an interval of 95 % that leaves out 0 is a false finding.
    missed = 0
    for trial in range(60):
        labels, first = runs(0.1, 100 + trial, rows=200)
        rng = np.random.default_rng(trial)
        one, other = (
            [np.clip(p + rng.normal(0, 0.05, 200), 0.01, 0.99) for p in first] for _ in range(2)
        )
        sides = {"one": one, "other": other}
        found = paired_intervals(labels, sides, np.ones(200), "one", 100, seed=trial)
        _, low, high = found["other"]["auc"]
        missed += not low <= 0.0 <= high
    assert missed <= 9  # 3 are expected; 10 or more have a chance of 0.1 %


def test_groups_of_one_class_define_no_interval():
    labels, good = runs(0.05, 5)
    sides = {"good": good, "bad": good}
    found = paired_gauc_intervals(labels, sides, np.arange(ROWS), "good", "clicks", 10)
    assert np.isnan(found["bad"]).all()
