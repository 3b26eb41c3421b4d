"""What the stage says beside its tables."""

import json
import math

from features.bundle import STATISTICS, Bundle
from pipeline.stages.evaluate_stage import warn_of_inputs, warn_of_scores


def split(rows, unknown, missing):
    """A split of statistics.json in which the inputs of the random bundle are as described."""
    features = {
        "row": {"missing_rate": missing},
        "user": {"missing_rate": 0.0, "oov_rate": unknown},
        "item": {"missing_rate": 0.0, "oov_rate": 0.0},
        "seen": {"missing_rate": 0.5, "oov_rate": 0.0, "mean_length": 1.0},
    }
    return {"rows": rows, "features": features}


def test_inputs_of_splits_that_are_unlike_those_of_training_are_named(
    random_bundle, tmp_path, caplog
):
    splits = {"train": split(9000, 0.0, 0.2), "valid": split(1000, 0.02, 0.2)}
    splits["test"] = split(1000, 0.3, 0.0)
    (tmp_path / STATISTICS).write_text(json.dumps({"splits": splits}))
    warn_of_inputs(Bundle(str(tmp_path), random_bundle.metadata, random_bundle.manifest))
    assert [line.split(". Check")[0] for line in caplog.messages] == [
        "test rows: user: 30.0 % of 1,000 tokens are unknown to the model, 0.0 % in training",
        "test rows: row: missing in 0.0 % of 1,000 rows, 20.0 % in training",
    ]


def test_nothing_is_said_where_nothing_was_counted(random_bundle, caplog):
    warn_of_inputs(random_bundle)
    assert not caplog.messages


def test_scores_that_are_worse_than_the_click_rate_or_far_from_it_are_named(caplog):
    good = {"metrics": {"fused": {"normalized_entropy": 0.999, "calibration": 1.25}}}
    bad = {"metrics": {"fused": {"normalized_entropy": 1.0, "calibration": 0.79}}}
    warn_of_scores({"valid": good, "test": bad})
    entropy, calibration = caplog.messages
    assert entropy.startswith("test rows: normalized entropy 1.000: the scores are no better than")
    assert calibration == "test rows: calibration 0.79: the scores add up to 0.79 times the clicks"


def test_nothing_is_said_of_scores_where_labels_are_of_one_class(caplog):
    unknown = {"metrics": {"fused": {"normalized_entropy": math.nan, "calibration": math.inf}}}
    warn_of_scores({"valid": unknown, "test": unknown})
    assert not caplog.messages
