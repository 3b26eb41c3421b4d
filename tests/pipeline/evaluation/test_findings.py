"""The sentences on a trained network: each where it holds, and none where it does not."""

import pytest

from pipeline.evaluation.findings import findings, is_worse_than_click_rate


def split(auc=0.7, entropy=0.9, calibration=1.0, rows=1_000_000):
    scores = {"auc": auc, "normalized_entropy": entropy, "calibration": calibration}
    return {"rows": rows, "click_rate": 0.2, "metrics": {"fused": scores}}


def said(valid=None, test=None, **others):
    return findings({"valid": valid or split(), "test": test or split()}, **others)


def test_nothing_is_said_of_a_good_network():
    training = {"best_epoch": 1, "history": {"val_logloss": [0.5, 0.495, float("nan")]}}
    baseline = {"rows": 100, "valid": {"auc": 0.701}, "test": {"auc": 0.6}}
    assert said(test=split(0.7, 0.999, 1.25), training=training, baseline=baseline) == []


def test_nothing_is_said_of_scores_where_labels_are_of_one_class():
    one_class = split(None, None, None)
    assert said(one_class, one_class, baseline={"rows": 9, "valid": {"auc": 0.9}}) == []
    assert not is_worse_than_click_rate(one_class)


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (split(entropy=1.0), "test rows: normalized entropy 1.000: the scores are no better than"),
        (split(calibration=0.79), "test rows: calibration 0.79: the scores add up to 0.79 times"),
        (split(calibration=1.26), "test rows: calibration 1.26: "),
        (
            split(auc=0.697),
            "test rows: AUC 0.6970 is below the 0.7000 of a logistic regression on 5,000 training",
        ),
    ],
)
def test_what_is_wrong_with_scores_is_said(test, sentence):
    (only,) = said(test=test, baseline={"rows": 5000, "test": {"auc": 0.7}})
    assert only.startswith(sentence)


def test_a_remedy_is_named_where_it_was_not_used():
    (hint,) = said(test=split(calibration=1.3))
    assert "train.recalibration" in hint
    (none,) = said(test={**split(calibration=1.3), "before_recalibration": {}})
    assert "train.recalibration" not in none


def test_what_learnt_nothing_is_said():
    branches = {"deep": {"normalized_entropy": 1.2}, "cross": {"normalized_entropy": 0.9}}
    valid = {**split(), "metrics": {**split()["metrics"], **branches}}
    (worse,) = said({**valid, "life": {"logit_spread": {"fused": 1.0, "deep": 0.5, "cross": 2.0}}})
    assert worse.startswith("branch deep is no better on validation rows than their click rate")
    spread = {"fused": 1.0, "deep": 0.5, "cross": 0.0}
    _, constant = said({**valid, "life": {"logit_spread": spread}})
    assert constant.startswith("branch cross says the same of every validation row")
    (whole,) = said({**valid, "life": {"logit_spread": {**spread, "fused": 1e-7}}})
    assert whole.startswith("the network says the same of every validation row")
    valid["metrics"] = {**branches, "fused": {**split()["metrics"]["fused"], "auc": None}}
    assert said(valid) == []


def test_probabilities_that_were_given_up_are_said():
    training = {"best_epoch": 2, "history": {"val_logloss": [0.4, 0.405, 0.5]}}
    assert said(training=training) == []
    (only,) = said(training={**training, "best_epoch": 3})
    assert only.startswith("validation logloss is 0.5000 at the chosen epoch 3, and was 0.4000 at")


def test_a_branch_is_judged_by_its_own_scores():
    report = {"metrics": {**split()["metrics"], "deep": {"normalized_entropy": 1.01}}}
    assert not is_worse_than_click_rate(report)
    assert is_worse_than_click_rate(report, "deep")
    assert not is_worse_than_click_rate({})  # never evaluated


def test_few_rows_cannot_tell_a_small_difference():
    baseline = {"rows": 100, "test": {"auc": 0.72}}
    assert said(test=split(0.7, rows=500), baseline=baseline) == []  # 100 clicks: 0.029
    assert len(said(test=split(0.68, rows=500), baseline=baseline)) == 1
