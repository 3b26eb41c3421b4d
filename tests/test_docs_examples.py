"""The examples under docs/ run, and pages show the files that run."""

import datetime
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import fastavro
import pytest
import yaml

from features.raw_values import time_of
from pipeline.config.config_files import load_config
from pipeline.inspection.read_sample import read_sample
from tests.pipeline.small_movielens import LEARNING, write_small_movielens

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs/examples"


def python(folder: Path, *arguments: str, plugins: str = "") -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environment, "CONCORD_PLUGINS": plugins},
        capture_output=True,
        text=True,
    )


def run(folder: Path, *settings: str, plugins: str) -> subprocess.CompletedProcess:
    command = ["-m", "pipeline", "run", "--config", str(EXAMPLES / "own_layers.yaml")]
    return python(folder, *command, *(f"--set={each}" for each in settings), plugins=plugins)


@pytest.mark.slow
def test_the_first_steps_train_look_inside_and_serve(tmp_path):
    data = write_small_movielens(tmp_path / "data")
    settings = (f"data.path={data}", "train.epochs=2", *LEARNING)
    done = python(tmp_path, str(EXAMPLES / "first_steps.py"), *settings)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[-9:-5]] == ["fused", "efgc", "cross", "deep"]
    predicted = [json.loads(line)["prob"] for line in lines if line.strip().startswith('{"prob"')]
    served = [float(line.partition(": ")[2]) for line in lines[-5:]]
    assert served == pytest.approx(predicted, abs=1e-4)


def test_the_first_steps_fit_a_screen_or_two():
    assert len((EXAMPLES / "first_steps.py").read_text("utf-8").splitlines()) <= 65


@pytest.mark.slow
def test_a_branch_and_a_loss_of_ones_own_train_and_are_exported(tmp_path):
    data = write_small_movielens(tmp_path / "data")
    settings = (f"data.path={data}", "train.epochs=2", *LEARNING)
    done = run(tmp_path, *settings, plugins="my_layers")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/examples/own_layers/export/1/saved_model.pb").exists()
    assert "agreement" in (tmp_path / "runs/examples/own_layers/metrics.json").read_text()


def test_without_leave_they_are_refused(tmp_path):
    done = run(tmp_path, plugins="")
    assert done.returncode == 2
    assert "CONCORD_PLUGINS=my_layers" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_page_shows_the_configuration_that_runs():
    page = (ROOT / "docs/design_space.md").read_text("utf-8")
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert shown["model"] == yaml.safe_load((EXAMPLES / "own_layers.yaml").read_text())["model"]


def test_the_configuration_of_the_readme_is_one(tmp_path):
    page = (ROOT / "README.md").read_text("utf-8")
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    path = tmp_path / "own.yaml"
    path.write_text(
        yaml.safe_dump({**shown, "extends": str(ROOT / shown["extends"])}, sort_keys=False)
    )
    assert list(load_config(path).model.branches) == ["interests", "crosses", "pairs"]


@pytest.fixture
def log_from_beam():
    path = EXAMPLES / "log_from_beam.py"
    spec = importlib.util.spec_from_file_location("log_from_beam", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_of_a_connector_become_a_log(tmp_path, log_from_beam):
    moment = datetime.datetime(2026, 11, 1, 12, 30, tzinfo=datetime.timezone.utc)
    fields = [
        {"name": "user", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "click", "type": ["null", "int"]},
    ]
    rows = [{"user": f"u{n}", "at": moment, "click": n % 2 or None} for n in range(50)]
    with (tmp_path / "rows.avro").open("wb") as stream:
        fastavro.writer(stream, {"type": "record", "name": "row", "fields": fields}, rows)
    log_from_beam.main([f"avro:{tmp_path}/rows.avro", f"{tmp_path}/log"])
    sample = read_sample(f"{tmp_path}/log", 100)
    assert sample.rows == 50
    found = {name: column.to_pylist() for name, column in sample.columns.items()}
    assert sorted(found["user"]) == sorted(row["user"] for row in rows)
    assert {time_of(each, "s") for each in found["at"]} == {int(moment.timestamp())}
    assert found["click"].count("1") == 25


def test_messages_of_kafka_are_lines_and_other_sources_are_named(log_from_beam):
    assert log_from_beam.as_line((b"key", b'{"user": "u1"}')) == '{"user": "u1"}'
    assert isinstance(log_from_beam.reader("kafka:host:9092/clicks/1000"), beam.PTransform)
    with pytest.raises(ValueError, match="'mysql:x' names no source"):
        log_from_beam.reader("mysql:x")
