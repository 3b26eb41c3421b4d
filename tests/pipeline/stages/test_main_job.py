"""The whole of `python -m pipeline run`, as a user runs it, on small files with planted tastes."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from features.bundle import open_bundle
from features.errors import ConfigError
from features.feature_spec import FeatureSpec
from features.preprocessing import Preprocessor
from features.raw import coerce
from features.raw_tensors import from_arrow
from pipeline.batches.dataset import column_arrays
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.kept_scores import load_scores
from pipeline.evaluation.scores import FUSED, score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.train_stage import train_stage
from pipeline.training.train import load_network
from serving.export_format.export_layout import SAMPLE_ROWS, version_folders
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer
from tests.pipeline.small_movielens import LEARNING, write_small_movielens

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
SETTINGS = (*LEARNING, "train.epochs=3", "data.history_partitions=4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    write_small_movielens(folder / "data")
    return folder


@pytest.fixture(scope="module")
def command(folder):
    """The main job with its settings."""
    settings = [f"--set={setting}" for setting in (*SETTINGS, f"data.path={folder / 'data'}")]
    return ["run", f"--config={ROOT / 'configs/movielens_100k/mbcnet.yaml'}", *settings]


def in_a_process(folder, command):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def done(folder, command):
    """The first run, in a process of its own; the verbs after it run in that of the tests."""
    done = in_a_process(folder, command)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def run(folder, done):
    return RunDir(folder / "runs" / "movielens_100k" / "mbcnet")


@pytest.fixture(scope="module")
def bundle(folder, done):
    return open_bundle(folder / "bundles" / "movielens_100k", verify=True)


@pytest.fixture(scope="module")
def network(run, bundle):
    return load_network(run.config(), bundle, run)


def test_prints_where_everything_lies_and_five_scored_rows(done, run):
    for shown in ("bundles/movielens_100k", "mbcnet/report.html", "mbcnet/export/1"):
        assert shown in done.stdout
    scored = [json.loads(line) for line in done.stdout.splitlines() if line.strip()[:1] == "{"]
    assert len(scored) == 5
    assert all(0.0 < each["prob"] < 1.0 for each in scored)
    assert "Traceback" not in done.stderr


def test_learns_the_planted_tastes(run):
    found = json.loads(run.metrics_file.read_text())
    assert found["data"]["split"].endswith("clean: valid and test are apart")
    assert found["data"]["split_rule"]["validation"] == "clean"
    metrics = found["evaluation"]["test"]["metrics"]
    assert set(metrics) == {FUSED, "efgc", "cross", "deep"}
    # One label in ten is flipped: the best possible AUC is 0.9.
    assert metrics[FUSED]["auc"] > 0.75
    assert load_scores(run.scores_file, "test").metrics("impressions") == metrics


def test_writes_config_logs_checkpoints_and_report(run):
    assert run.config().train.batch_size == 100
    assert list(run.tensorboard.rglob("events.out.tfevents.*"))
    assert Path(f"{run.best_checkpoint}.index").exists()
    page = run.report_file.read_text()
    assert "<svg" in page
    for section in ("gAUC by activity", "Slices by feature", "Settings that you chose"):
        assert section in page
    history = json.loads(run.metrics_file.read_text())["training"]["history"]
    for name in ("logloss", "logloss_efgc", "co_teaching", "moderate_differentiation"):
        assert len(history[name]) == 3
    for name in ("val_auc", "val_auc_deep", "val_logloss_cross"):
        assert len(history[name]) == 3


def test_tensorboard_shows_every_term_and_every_branch(run):
    found = set()
    for file in run.tensorboard.rglob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            found |= {value.tag for value in event.summary.value}
    terms = ("logloss", "logloss_deep", "co_teaching", "moderate_differentiation", "auc_efgc")
    assert {f"epoch_{term}" for term in terms} <= found


def test_a_second_run_reuses_everything(folder, command, run, done, concord, monkeypatch):
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    again = concord(*command)
    assert again.returncode == 0, again.stderr
    assert "reused" in again.stdout + again.stderr
    assert {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()} == before
    assert [line for line in again.stdout.splitlines() if '{"prob"' in line] == [
        line for line in done.stdout.splitlines() if '{"prob"' in line
    ]


def test_a_second_run_needs_no_tensorflow_and_prints_the_same(folder, command, done):
    program = (
        "import sys; from pipeline.cli.command_line import main\n"
        "try:\n    main()\nfinally:\n    assert 'tensorflow' not in sys.modules"
    )
    again = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    first = [line for line in done.stdout.splitlines() if not line.startswith(("config", "train"))]
    second = [line for line in again.stdout.splitlines() if not line.startswith("train")]
    assert second == first


def test_a_damaged_export_is_not_answered_for(folder, command, run):
    (weights,) = (run.export / "1" / "variables").glob("variables.data*")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    try:
        again = in_a_process(folder, command)
    finally:
        weights.write_bytes(whole)
    assert again.returncode != 0
    assert '{"prob"' not in again.stdout
    assert "cannot be loaded as a SavedModel" in again.stderr


def test_changed_input_is_noticed(folder, command, run, concord, monkeypatch):
    monkeypatch.chdir(folder)
    (log,) = (folder / "data").glob("*.inter")
    whole = log.read_bytes()
    first, second, *others = whole.splitlines(keepends=True)
    log.write_bytes(b"".join([first, *others, second]))  # the same rows in another order
    try:
        other = concord(*command)
        assert other.returncode == 2
        assert "holds a finished run of another configuration or other data" in other.stderr
    finally:
        log.write_bytes(whole)
        again = concord(*command)  # builds the bundle of the run again
    assert again.returncode == 0, again.stderr
    assert "reused" in again.stdout


def test_another_configuration_does_not_replace_a_finished_run(
    folder, command, run, concord, monkeypatch
):
    monkeypatch.chdir(folder)
    before = run.metrics_file.read_text()
    other = concord(*command, "--set=train.epochs=1")
    assert other.returncode == 2
    assert other.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "holds a finished run of another configuration" in other.stderr
    assert run.metrics_file.read_text() == before


def test_raw_rows_give_the_inputs_that_the_bundle_holds(bundle):
    """Skew: what training read and what serving computes are the same numbers."""
    rows, ours, stored = _matched(bundle)
    assert len(rows) > 100
    for name, values in ours.items():
        np.testing.assert_array_equal(values, stored[name], err_msg=name)


def test_raw_rows_give_the_scores_of_training(bundle, run, network):
    rows, _, stored = _matched(bundle)
    order = stored["row"]
    trained = score_split(network, bundle, "valid", 64).probs
    served = Scorer(version_folders(run.export)[0]).score(rows, branches=True)
    np.testing.assert_allclose(served["prob"], trained[FUSED][order], atol=1e-6)
    for branch in network.branch_names:
        np.testing.assert_allclose(served[f"prob_{branch}"], trained[branch][order], atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_raw_rows_in_another_writing_have_the_scores_of_training(suffix, bundle, run, tmp_path):
    """Ids as a program of doubles writes them; `tests/pipeline/roads` has every type and road."""
    rows, _, _ = _matched(bundle)
    features = bundle.metadata.features
    specs = {spec.raw_name: spec for spec in features.inputs}
    columns = {name: list(map(_as_doubles, rows[name].to_pylist())) for name in specs}
    assert any(isinstance(each, float) for each in columns["user_id"])
    path = tmp_path / f"rows{suffix}"
    records = list(zip(*columns.values(), strict=True))
    if suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif suffix == ".jsonl":
        objects = (dict(zip(columns, record, strict=True)) for record in records)
        path.write_text("".join(json.dumps(each) + "\n" for each in objects))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(map(_as_cell, record, specs.values()) for record in records)
    scorer = Scorer(version_folders(run.export)[0])
    read = list(read_rows(str(path), features, text_format=None))
    scores = np.concatenate([scorer.score(batch)["prob"] for batch in read])
    np.testing.assert_array_equal(scores, scorer.score(rows)["prob"])


def _as_doubles(value: Any) -> Any:
    """The same value with `12.0` for every `12`."""
    if isinstance(value, list):
        return [_as_doubles(each) for each in value]
    return float(value) if isinstance(value, str) and value.isdigit() else value


def _as_cell(value: Any, spec: FeatureSpec) -> Any:
    if not isinstance(value, list):
        return value
    return json.dumps(value) if spec.separator is None else spec.separator.join(map(str, value))


def _matched(bundle) -> tuple[pa.RecordBatch, dict, dict]:
    """Raw sample rows, their inputs computed now, and the same rows as the bundle stores them."""
    features = bundle.metadata.features
    lines = Path(bundle.sample_rows).read_text().splitlines()
    table = pa.Table.from_pylist([json.loads(line) for line in lines], features.raw_schema())
    typed, good, _ = coerce(table.combine_chunks().to_batches()[0], features)
    assert len(good) == len(lines)
    preprocessor = Preprocessor(features, bundle.metadata.analysis, bundle.vocabulary_dir)
    ours = {name: x.numpy() for name, x in preprocessor(from_arrow(typed, features)).items()}
    names = [spec.name for spec in features.inputs] + [features.timestamp.name]
    columns = column_arrays(bundle, "valid", names)
    times = columns.pop(features.timestamp.name)
    position = {time: row for row, time in enumerate(times)}  # the small files repeat no time
    order = np.array([position[t] for t in typed["timestamp"].to_pylist()])
    return typed, ours, {"row": order} | {name: x[order] for name, x in columns.items()}


def test_predict_needs_nothing_but_the_export(run, tmp_path, concord):
    moved = tmp_path / "elsewhere"
    version_folders(run.export)[0].rename(moved)
    try:
        done = concord("predict", moved, "--input", moved / SAMPLE_ROWS)
    finally:
        moved.rename(run.export / "1")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5


def test_evaluate_and_export_work_from_the_folder_of_a_run(folder, run, concord, monkeypatch):
    monkeypatch.chdir(folder)
    before = json.loads(run.metrics_file.read_text())["evaluation"]
    drawn = json.loads(run.report_numbers_file.read_text())
    evaluated = concord("evaluate", run.path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(run.metrics_file.read_text())["evaluation"] == before
    again = json.loads(run.report_numbers_file.read_text())
    for name in ("intervals", "calibration", "slices", "activity", "categories", "units"):
        assert again[name] == drawn[name]
    exported = concord("export", run.path)
    assert exported.returncode == 0, exported.stderr
    first, second = version_folders(run.export)[::-1]
    assert second.name == "2"
    rows = _matched(open_bundle(folder / "bundles" / "movielens_100k"))[0]
    np.testing.assert_array_equal(
        Scorer(first).score(rows)["prob"], Scorer(second).score(rows)["prob"]
    )


def test_a_bundle_without_test_rows_is_refused_before_the_run_begins(make_bundle, tmp_path):
    bundle, _ = make_bundle(rows={"train": 20, "valid": 10, "test": 0})
    run = RunDir(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"has no test rows.* Set data\.split\.test above 0"):
        train_stage(_config_of(bundle), bundle, run)
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": {"source": "kuairand_pure"}}, "built with source 'movielens_100k'"),
        ({"groups": {}}, "built with other features, groups or histories"),
    ],
)
def test_a_bundle_of_other_data_is_refused_before_the_run_begins(
    make_bundle, tmp_path, change, sentence
):
    bundle, _ = make_bundle(rows={"train": 20, "valid": 10, "test": 10})
    run = RunDir(tmp_path / "run")
    with pytest.raises(ConfigError, match=sentence):
        train_stage(_config_of(bundle, **change), bundle, run)
    assert not run.path.exists()


def _config_of(bundle, **change) -> RunConfig:
    """The configuration that a bundle was built with."""
    content = bundle.metadata.features.model_dump(exclude_defaults=True)
    model = {"branches": {"deep": {"units": [4]}}, "cooperation": {}}
    data = {"source": bundle.metadata.source}
    return RunConfig.model_validate({**content, "data": data, "model": model, **change})
