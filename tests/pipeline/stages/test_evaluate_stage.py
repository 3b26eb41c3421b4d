"""What the stage says beside its tables."""

import json

from features.bundle import STATISTICS, Bundle
from pipeline.stages.evaluate_stage import warn_of_inputs


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
