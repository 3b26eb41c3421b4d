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


def outputs(logits=True, weights=True, correlation=(0.5, 0.25, 0.125)):
    return Outputs(
        np.zeros((4, 1), "f"),
        np.zeros((4, 3), "f") if logits else None,
        WEIGHTS if weights else None,
        np.array(correlation),
    )


def report(**given):
    return cooperation_report(NAMES, Scores(LABELS, PROBS, None), outputs(**given))


def test_pairs_and_branches_are_named_and_counted():
    found = report()
    assert found["cross_expert_correlation"] == 0.875
    assert found["pairs"] == [
        # Opposite sides of 0.5; on row 3 efgc and cross are on none.
        {"branches": ["efgc", "cross"], "cross_expert_correlation": 0.5, "disagreement": 0.25},
        {"branches": ["efgc", "deep"], "cross_expert_correlation": 0.25, "disagreement": 0.75},
        {"branches": ["cross", "deep"], "cross_expert_correlation": 0.125, "disagreement": 0.5},
    ]
    shares = {name: branch["best_share"] for name, branch in found["branches"].items()}
    assert shares == {"efgc": 0.5, "cross": 0.5, "deep": 0.0}
    weight = found["branches"]["efgc"]["fusion_weight"]
    assert weight == pytest.approx({"mean": 0.3, "std": 0.1, "min": 0.2, "max": 0.4}, abs=1e-7)
    assert found["branches"]["cross"]["fusion_weight"]["std"] == pytest.approx(0.0, abs=1e-7)


def test_what_does_not_apply_is_left_out():
    found = report(logits=False)
    assert set(found["pairs"][0]) == {"branches", "cross_expert_correlation"}
    assert set(found["branches"]["deep"]) == {"fusion_weight"}
    assert set(report(weights=False)["branches"]["deep"]) == {"best_share"}
    assert set(report(logits=False, weights=False)) == {"cross_expert_correlation", "pairs"}
    one = Outputs(np.zeros((4, 1)), np.zeros((4, 1)), np.ones((4, 1)), None)
    assert cooperation_report(["deep"], Scores(LABELS, PROBS, None), one) == {}


def test_what_the_rows_do_not_define_is_none():
    found = report(correlation=(np.nan, 0.25, 0.125))
    assert found["cross_expert_correlation"] is None
    assert found["pairs"][0]["cross_expert_correlation"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found
