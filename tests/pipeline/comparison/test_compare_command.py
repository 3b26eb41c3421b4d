"""`concord compare`, as a user types it, on small files with planted tastes."""

import json

import pytest

from tests.pipeline.small_movielens import write_small_movielens


def test_networks_that_are_none_are_refused_before_anything_is_built(concord, tmp_path):
    done = concord("compare", "movielens_100k/dataset", "--networks", "LightGBM")
    assert done.returncode == 2
    assert "error: --networks takes presets, separated by commas" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_fits_a_regression_and_a_network_and_keeps_both(concord, tmp_path):
    write_small_movielens(tmp_path / "data")
    command = ["compare", "movielens_100k/dataset", "--networks", "dnn", "--minutes", "0.6"]
    command += ["--set", f"data.path={tmp_path / 'data'}", "--set", "data.history_partitions=4"]
    command += ["--set", "train.recalibration=platt", "--out", "compared"]
    done = concord(*command)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "compared/compare.json").read_text())
    assert {"logistic regression", "dnn"} <= set(report["models"])
    assert f"use {report['use']}: AUC" in done.stdout.replace("\n", " ")
    assert (tmp_path / "compared/runs/dnn/recalibration.json").exists()
    assert report["rows"]["test"] == 300
    again = concord(*command)
    assert again.returncode == 0, again.stderr
    assert "logistic regression: fitted before, kept" in again.stdout
    assert json.loads((tmp_path / "compared/compare.json").read_text())["use"] == report["use"]
