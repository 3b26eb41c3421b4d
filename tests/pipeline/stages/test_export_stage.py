"""What the stage `export` refuses before anything is written."""

import json

import pytest

from features.errors import ExportError
from pipeline.runs.run_dir import RunDir
from pipeline.stages.export_stage import export_stage
from serving.variants.variant import Variant

DEEP = Variant("float32", "deep", "saved_model", ())


def run_with(folder, spread, click_rate=0.4) -> RunDir:
    valid = {"rows": 1200, "click_rate": click_rate, "life": {"logit_spread": spread}}
    (folder / "metrics.json").write_text(json.dumps({"evaluation": {"valid": valid}}))
    return RunDir(folder)


def exported(run, variant, force=False):
    """The error that stops the export: without a network every other step fails as well."""
    with pytest.raises((ExportError, AttributeError)) as stopped:
        export_stage(None, None, run, None, variant, force=force)
    return stopped.value


@pytest.mark.parametrize(
    ("spread", "variant", "named"),
    [
        ({"fused": 2e-7, "deep": 0.0}, Variant("float32", None, "saved_model", ()), "the network"),
        ({"fused": 1.5, "deep": 0.0}, DEEP, "branch 'deep'"),
    ],
)
def test_refuses_predictions_that_are_one_number_unless_forced(tmp_path, spread, variant, named):
    error = exported(run_with(tmp_path, spread), variant)
    assert isinstance(error, ExportError)
    assert f"{named} of {tmp_path} says the same of all 1,200 validation rows" in str(error)
    assert "--force" in str(error)
    forced = exported(run_with(tmp_path, spread), variant, force=True)
    assert isinstance(forced, AttributeError)  # it went on


def test_lets_pass_what_differs_what_cannot_differ_and_what_was_not_looked_at(tmp_path):
    full = Variant("float32", None, "saved_model", ())
    for spread, click_rate in (({"fused": 0.1}, 0.4), ({"fused": 0.0}, 1.0), ({}, 0.4)):
        assert isinstance(exported(run_with(tmp_path, spread, click_rate), full), AttributeError)


def test_refuses_what_the_click_rate_alone_does_better_unless_forced(tmp_path):
    run = run_with(tmp_path, {"fused": 1.0, "deep": 1.0})
    metrics = run.metrics()
    scores = {"fused": {"normalized_entropy": 0.99}, "deep": {"normalized_entropy": 1.0}}
    metrics["evaluation"]["valid"]["metrics"] = scores
    run.metrics_file.write_text(json.dumps(metrics))
    full = Variant("float32", None, "saved_model", ())
    assert isinstance(exported(run, full), AttributeError)
    error = exported(run, DEEP)
    assert isinstance(error, ExportError)
    assert "branch 'deep'" in str(error)
    assert "normalized entropy 1.000" in str(error)
    assert isinstance(exported(run, DEEP, force=True), AttributeError)
