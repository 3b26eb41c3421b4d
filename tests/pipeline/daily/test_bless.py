"""Rules that bless a model, on made-up scores."""

import numpy as np
import pytest

from models.metrics import group_auc
from models.network.logit_map import FUSED
from pipeline.config.daily_config import BlessConfig
from pipeline.daily.bless import drawn_samples, judge
from pipeline.daily.calibration_interval import calibration_interval
from pipeline.evaluation.paired_bootstrap import paired_gauc_intervals
from pipeline.evaluation.scores import Scores

ROWS = 4_000
RULES = BlessConfig(samples=40)


def scores(noise, seed=1, calibration=1.0, groups=True):
    """Scores of a model whose logits are the truth's with noise; labels and groups are equal."""
    rng = np.random.default_rng(0)
    truth = rng.normal(-1.0, 1.5, ROWS)
    labels = (rng.random(ROWS) < 1 / (1 + np.exp(-truth))).astype("float32")
    logits = truth + noise * np.random.default_rng(seed).normal(size=ROWS)
    probs = 1 / (1 + np.exp(-logits))
    probs *= calibration * labels.sum() / probs.sum()
    keys = rng.integers(0, 40, ROWS) if groups else None
    probs = probs.clip(1e-6, 1 - 1e-6)
    return Scores(labels, {FUSED: probs, "deep": probs.copy()}, keys)


def test_an_equal_model_is_blessed():
    report = judge(scores(0.3), scores(0.3), {}, RULES)
    assert report["reasons"] == []
    assert report["metrics"]["auc"]["difference"] == 0.0
    assert report["metrics"]["auc"]["interval"] == [0.0, 0.0]
    assert report["branches"]["deep"]["candidate"] == report["branches"]["deep"]["in_service"]


def test_a_worse_model_is_not():
    reasons = judge(scores(3.0), scores(0.1), {}, RULES)["reasons"]
    for begins in ("auc: ", "gauc: ", "logloss: "):
        assert any(each.startswith(begins) and "the rule is" in each for each in reasons), begins


def test_a_better_model_is_blessed_by_every_rule_of_a_difference():
    report = judge(scores(0.1), scores(3.0), {}, RULES)
    assert report["reasons"] == []
    low, high = report["metrics"]["auc"]["interval"]
    assert 0.0 < low < report["metrics"]["auc"]["difference"] < high


@pytest.mark.parametrize(("calibration", "blessed"), [(0.9, False), (1.0, True), (1.1, False)])
def test_calibration_has_two_ends(calibration, blessed):
    rules = BlessConfig(samples=40, logloss=None, normalized_entropy=None)
    report = judge(scores(0.3, calibration=calibration), None, {}, rules)
    assert report["metrics"]["calibration"]["candidate"] == pytest.approx(
        calibration, abs=0.02
    )  # clipped at 1
    assert (report["reasons"] == []) == blessed
    assert all("calibration" in each for each in report["reasons"])


def test_judged_by_the_interval_what_may_be_chance_is_no_reason():
    little = scores(0.35, seed=2), scores(0.3, seed=3)
    difference = judge(*little, {}, RULES)["metrics"]["auc"]["difference"]
    only_auc = dict.fromkeys(("gauc", "logloss", "calibration", "normalized_entropy"))
    rule = difference + 1e-4
    by_difference = BlessConfig(samples=40, auc=rule, **only_auc)
    by_interval = BlessConfig(samples=40, auc=rule, judge_by="interval", **only_auc)
    assert len(judge(*little, {}, by_difference)["reasons"]) == 1
    assert judge(*little, {}, by_interval)["reasons"] == []
    certain = judge(scores(3.0), scores(0.1), {}, BlessConfig(samples=40, judge_by="interval"))
    assert any(each.startswith("auc: ") for each in certain["reasons"])


def test_labels_that_were_shuffled_are_seen_by_the_fall_of_the_auc():
    bad = scores(50.0, seed=4), scores(50.0, seed=4)
    rules = BlessConfig(samples=40, calibration=None, normalized_entropy=None)
    assert judge(*bad, {}, rules)["reasons"] == []
    (reason,) = judge(*bad, {}, rules, blessed_auc=0.8)["reasons"]
    assert "the model in service had 0.8000 when it was blessed" in reason


def test_a_first_model_must_beat_the_click_rate():
    (reason,) = judge(scores(50.0), None, {}, BlessConfig(samples=40, calibration=None))["reasons"]
    assert reason.startswith("normalized entropy: ")


def test_a_slice_that_lost_is_named_and_a_small_one_is_not_looked_at():
    candidate, in_service = scores(0.1), scores(0.1)
    place = np.array(["home", "search", "rare"])[
        np.r_[np.repeat([0, 1], (ROWS - 50) // 2), [2] * 50]
    ]
    candidate.probs[FUSED][place != "home"] = 0.3
    rules = BlessConfig(samples=40, slice_rows=100, slice_auc=-0.01)
    report = judge(candidate, in_service, {"place": place}, rules)
    assert {each["token"] for each in report["slices"]} == {"home", "search"}
    (said,) = [each for each in report["reasons"] if "place" in each]
    assert said.startswith("auc where place is 'search' (1,975 rows): 0.5000")


def test_many_rows_are_drawn_less_often():
    assert drawn_samples(10_000, 500) == 500
    assert drawn_samples(250_000, 500) == 200
    assert drawn_samples(10_000_000, 500) == 100
    assert drawn_samples(10_000_000, 50) == 50


def test_data_without_groups_have_no_gauc():
    assert "gauc" not in judge(scores(0.3, groups=False), None, {}, RULES)["metrics"]


def test_the_interval_of_the_gauc_draws_whole_groups():
    one, other = scores(0.3), scores(1.0)
    labels, groups = one.labels, one.groups
    probs = one.probs[FUSED], other.probs[FUSED]
    both = {"one": [probs[0]], "other": [probs[1]]}
    found = paired_gauc_intervals(labels, both, groups, "other", "impressions", samples=60)
    interval = found["one"][1:]
    rng, drawn = np.random.default_rng(0), []
    keys = np.unique(groups)
    for _ in range(60):
        chosen = [np.flatnonzero(groups == keys[i]) for i in rng.integers(0, len(keys), len(keys))]
        rows = np.concatenate(chosen)
        named = np.repeat(np.arange(len(chosen)), [len(each) for each in chosen])
        drawn.append(np.subtract(*(group_auc(labels[rows], p[rows], named) for p in probs)))
    np.testing.assert_allclose(interval, np.percentile(drawn, [2.5, 97.5]), atol=1e-9)


def test_the_interval_of_the_calibration_draws_rows():
    one = scores(0.3)
    labels, probs, weights = one.labels, one.probs[FUSED], np.linspace(1, 2, ROWS)
    interval = calibration_interval(labels, probs, weights, samples=30)
    rng, drawn = np.random.default_rng(0), []
    for _ in range(30):
        rows = rng.integers(0, ROWS, ROWS)
        drawn.append((weights * probs)[rows].sum() / (weights * labels)[rows].sum())
    np.testing.assert_allclose(interval, np.percentile(drawn, [2.5, 97.5]), rtol=1e-6)
