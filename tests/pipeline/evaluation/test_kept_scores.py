"""Scores that come back from disk as they were."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import ConfigError
from pipeline.evaluation import kept_scores
from pipeline.evaluation.kept_scores import load_scores, save_scores
from pipeline.evaluation.scores import Scores

RNG = np.random.default_rng(0)
SCORES = Scores(
    labels=RNG.integers(0, 2, 9).astype("float32"),
    probs={"fused": RNG.random(9), "a/b": np.full(9, 1.0 - 1e-12)},
    groups=RNG.integers(0, 3, 9),
    weights=RNG.random(9),
    negatives_kept=0.5,
)


@pytest.mark.parametrize("scores", [SCORES, replace(SCORES, groups=None, weights=None)])
def test_what_is_kept_comes_back(scores, tmp_path):
    save_scores(tmp_path / "scores.npz", {"valid": SCORES, "test": scores})
    loaded = load_scores(tmp_path / "scores.npz", "test")
    np.testing.assert_array_equal(loaded.labels, scores.labels)
    assert list(loaded.probs) == ["fused", "a/b"]
    for name, probs in scores.probs.items():
        np.testing.assert_array_equal(loaded.probs[name], probs)
    for found, expected in ((loaded.groups, scores.groups), (loaded.weights, scores.weights)):
        np.testing.assert_array_equal(found, expected)
    assert loaded.metrics("clicks") == scores.metrics("clicks")


def test_what_is_not_kept_is_said(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"scores.npz is not there: .* Evaluate it again"):
        load_scores(tmp_path / "scores.npz", "test")
    monkeypatch.setattr(kept_scores, "MOST_ROWS", 8)
    save_scores(tmp_path / "scores.npz", {"test": SCORES})
    with pytest.raises(ConfigError, match=r"no scores of test rows: .* more than 8 rows"):
        load_scores(tmp_path / "scores.npz", "test")
