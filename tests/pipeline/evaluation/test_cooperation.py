"""How branches cooperate, counted by hand on a few rows."""

import json

import numpy as np
import pytest

from pipeline.evaluation.cooperation import cooperation_report
from pipeline.evaluation.scores import FUSED, Scores
from pipeline.evaluation.split_outputs import Outputs

NAMES = ("efgc", "cross", "deep")
LABELS = np.array([1.0, 0.0, 1.0, 0.0])
PROBS = {
    FUSED: np.array([0.6, 0.4, 0.6, 0.4]),
    "efgc": np.array([0.9, 0.1, 0.4, 0.5]),  # best on rows 0, 1 (a tie) and 3 (a tie)
    "cross": np.array([0.8, 0.1, 0.7, 0.5]),  # best on rows 1, 2 and 3
    "deep": np.array([0.2, 0.8, 0.6, 0.7]),
}
WEIGHTS = np.array([[0.2, 0.3, 0.5], [0.4, 0.3, 0.3], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3]], "f")


# The second is the first moved and turned round, the third has nothing to do with them.
LOGITS = np.array([[1.0, 0.0, 1.0], [2.0, -2.0, -1.0], [3.0, -4.0, -1.0], [4.0, -6.0, 1.0]], "f")


def outputs(logits=True, weights=True, correlation=(0.5, 0.25, 0.125)):
    return Outputs(
        logit=np.zeros((4, 1), "f"),
        branch_logits=LOGITS if logits else None,
        fusion_weights=WEIGHTS if weights else None,
        correlation=np.array(correlation),
        live_correlation=2.0 * np.array(correlation),
        constant_units=np.array([1, 0, 5]),
        unit_low=np.zeros((1, 3, 5), "f"),
        unit_high=np.ones((1, 3, 5), "f"),
    )


def report(**given):
    return cooperation_report(NAMES, Scores(LABELS, PROBS, None), outputs(**given))


def test_pairs_and_branches_are_named_and_counted():
    found = report()
    assert found["cross_expert_correlation"] == 0.875
    assert found["live_cross_expert_correlation"] == 1.75
    # branches, CEC, CEC of live units, correlation of logits, disagreement: opposite sides of 0.5;
    # on row 3 efgc and cross are on none.
    expected = [
        (["efgc", "cross"], 0.5, 1.0, -1.0, 0.25),
        (["efgc", "deep"], 0.25, 0.5, 0.0, 0.75),
        (["cross", "deep"], 0.125, 0.25, 0.0, 0.5),
    ]
    for pair, (names, *values) in zip(found["pairs"], expected, strict=True):
        assert pair.pop("branches") == names
        assert list(pair.values()) == pytest.approx(values, abs=1e-12)
    constant = {name: branch["constant_units"] for name, branch in found["branches"].items()}
    assert constant == {"efgc": 1, "cross": 0, "deep": 5}
    assert found["branches"]["deep"]["units"] == 5
    shares = {name: branch["best_share"] for name, branch in found["branches"].items()}
    assert shares == {"efgc": 0.5, "cross": 0.5, "deep": 0.0}
    weight = found["branches"]["efgc"]["fusion_weight"]
    assert weight == pytest.approx({"mean": 0.3, "std": 0.1, "min": 0.2, "max": 0.4}, abs=1e-7)
    assert found["branches"]["cross"]["fusion_weight"]["std"] == pytest.approx(0.0, abs=1e-7)


def test_what_does_not_apply_is_left_out():
    found = report(logits=False)
    correlations = {"cross_expert_correlation", "live_cross_expert_correlation"}
    units = {"units", "constant_units"}
    assert set(found["pairs"][0]) == {"branches", *correlations}
    assert set(found["branches"]["deep"]) == {"fusion_weight", *units}
    assert set(report(weights=False)["branches"]["deep"]) == {"best_share", *units}
    assert set(report(logits=False, weights=False)["branches"]["deep"]) == units
    z = np.zeros((1, 1, 5))
    one = Outputs(np.zeros((4, 1)), np.zeros((4, 1)), np.ones((4, 1)), None, None, None, z, z)
    assert cooperation_report(["deep"], Scores(LABELS, PROBS, None), one) == {}


def test_what_the_rows_do_not_define_is_none():
    found = report(correlation=(np.nan, 0.25, 0.125))
    assert found["cross_expert_correlation"] is None
    assert found["pairs"][0]["cross_expert_correlation"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found
