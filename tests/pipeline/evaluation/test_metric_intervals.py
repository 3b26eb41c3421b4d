"""Intervals of metrics: those of rows that are written out, and they cover the truth."""

import numpy as np
import pytest

from models.metrics import auc, calibration, group_auc, logloss, normalized_entropy
from pipeline.evaluation.metric_intervals import metric_intervals, spaced
from pipeline.evaluation.scores import FUSED, Scores


def scores(count=300, seed=1, groups=None):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.9, count)
    labels = (rng.random(count) < truth).astype("float32")
    noisy = np.clip(np.round(truth + rng.normal(0.0, 0.2, count), 2), 0.01, 0.99)
    keys = None if groups is None else rng.integers(0, groups, count)
    return Scores(labels, {FUSED: truth, "deep": noisy}, keys)


def test_intervals_are_those_of_rows_that_are_written_out():
    rows = scores()
    found = metric_intervals(rows, "impressions", samples=40, seed=3)
    rng = np.random.default_rng(3)
    taken = [rng.integers(0, 300, 300) for _ in range(40)]
    functions = {
        "auc": auc,
        "logloss": logloss,
        "normalized_entropy": normalized_entropy,
        "calibration": calibration,
    }
    for name, probs in rows.probs.items():
        assert set(found[name]) == set(functions)
        for metric, function in functions.items():
            drawn = [function(rows.labels[each], probs[each]) for each in taken]
            assert found[name][metric] == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


@pytest.mark.parametrize("weight_by", ["impressions", "clicks", "uniform"])
def test_gauc_is_drawn_by_its_groups(weight_by):
    rows = scores(groups=25)
    low, high = metric_intervals(rows, weight_by, samples=30, seed=5)["deep"]["gauc"]
    of = {key: np.flatnonzero(rows.groups == key) for key in range(25)}
    mixed = [places for places in of.values() if len(set(rows.labels[places])) == 2]
    rng, drawn = np.random.default_rng(5), []
    for _ in range(30):
        chosen = [mixed[k] for k in rng.integers(0, len(mixed), len(mixed))]
        keys = np.repeat(np.arange(len(chosen)), [len(places) for places in chosen])
        places = np.concatenate(chosen)
        drawn.append(group_auc(rows.labels[places], rows.probs["deep"][places], keys, weight_by))
    assert (low, high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


def test_most_intervals_hold_the_value_of_all_rows():
    truth = auc(scores(50_000, 9).labels, scores(50_000, 9).probs["deep"])
    ends = [
        metric_intervals(scores(400, seed), "uniform", samples=100)["deep"]["auc"]
        for seed in range(40)
    ]
    assert 33 <= sum(low <= truth <= high for low, high in ends) <= 40


def test_fewer_rows_give_the_spread_of_all():
    rows = scores(4_000)
    whole, part = (
        metric_intervals(rows, "uniform", samples=100, most_rows=most)["deep"]["auc"]
        for most in (4_000, 500)
    )
    assert part[1] - part[0] == pytest.approx(whole[1] - whole[0], rel=0.35)


def test_clicks_of_a_thinned_log_count_once_and_the_rest_more_often():
    rows = scores()
    written = np.concatenate([np.arange(300), np.flatnonzero(rows.labels == 0)])
    thinned = Scores(rows.labels, rows.probs, None, negatives_kept=0.5)
    low, high = metric_intervals(thinned, "uniform", samples=100)["deep"]["calibration"]
    assert low < calibration(rows.labels[written], rows.probs["deep"][written]) < high


def test_rows_of_one_class_or_none_have_no_intervals():
    nothing = Scores(np.zeros(0), {FUSED: np.zeros(0)}, np.zeros(0))
    assert metric_intervals(nothing, "uniform") == {FUSED: {}}
    same = Scores(np.ones(4), {FUSED: np.full(4, 0.5)}, np.arange(4))
    assert metric_intervals(same, "uniform", samples=5) == {FUSED: {}}


def test_spaced_rows_reach_from_the_first_to_the_last():
    assert spaced(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert spaced(101, 5).tolist() == [0, 25, 50, 75, 100]
