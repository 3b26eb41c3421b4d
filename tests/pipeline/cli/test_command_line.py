"""The command line: a user's mistake is one sentence and exit code 2, and leaves nothing behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from features.errors import ConfigError
from pipeline.config.config_files import load_config

DATASET = """
data: {source: movielens_100k, path: %s}
features: {user_id: {kind: categorical}, liked: {role: label, column: rating, at_least: 4},
  time: {role: timestamp, column: timestamp}}
groups: {all: [user_id]}
"""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--config", "gone.yaml"], "gone.yaml cannot be read"),
        (["train", "--config", "a.yaml"], "bundles/movielens_100k is not a data bundle"),
        (["run", "--config", "a.yaml"], "/nowhere"),
        (["run", "--config", "a.yaml", "--set", "data.sorce=x"], "Did you mean data.source?"),
        (["run", "--config", "a.yaml", "--set", "data.source=movielens_100"], "movielens_100k"),
        (["run", "--config", "a.yaml", "--preset", "mbcnt"], "Did you mean mbcnet?"),
        (["run", "--config", "a.yaml", "--sizes", "small"], "Add --preset."),
        (["run", "--config", "a.yaml", "--preset", "dmoe", "--sizes", "small"], "no branches"),
        (["run", "--config", "a.yaml", "--preset", "din"], "reads the user's history"),
        (["run", "--config", "movielens_100k/mbcnt"], "Did you mean movielens_100k/mbcnet?"),
        (["run", "--set", "data.path=/nowhere"], "/nowhere"),
        (["models", "mbcnt"], "'mbcnt' is not a preset. Did you mean mbcnet?"),
        (["inspect", "gone.csv"], "gone.csv is no file and no folder of files"),
        (["inspect", "a.yaml", "--out", "a.yaml"], "a.yaml exists, perhaps edited"),
        (["evaluate", "runs/a"], "runs/a is not the folder of a run"),
        (["export", "runs/a"], "runs/a is not the folder of a run"),
        (["export", "runs/a", "--format", "openvin"], "Did you mean openvino?"),
        (["export", "runs/a", "--format", "openvino", "--candidates", "a"], "no signatures"),
        (["predict", "runs/a/export", "--input", "rows.jsonl"], "runs/a/export"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(concord, tmp_path, arguments, sentence):
    (tmp_path / "a.yaml").write_text(DATASET % "/nowhere")
    code, out, err = concord(*arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_bundle_in_a_store_of_objects_keeps_its_address(concord, tmp_path):
    (tmp_path / "a.yaml").write_text(DATASET % "/nowhere")
    done = concord("train", "--config", "a.yaml", "--bundle", "ram://store/bundle")
    assert done.stderr.startswith("error: ram://store/bundle is not a data bundle")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["train"], "Missing option"),
        (["rnu"], "No such command"),
        (["train", "--confg", "a.yaml"], "--confg"),
    ],
)
def test_a_misspelt_command_exits_with_2(concord, arguments, shown):
    code, _, err = concord(*arguments)
    assert code == 2
    assert shown in err


def test_without_a_command_it_lists_them(concord):
    _, out, err = concord()
    commands = "run build-bundle inspect train evaluate export predict models"
    for command in commands.split():
        assert command in out + err


def test_models_are_listed_with_a_line_each(concord):
    code, out, _ = concord("models")
    assert code == 0
    lines = [line for line in out.splitlines() if line.startswith(("cetnet ", "dmoe/nfm_se "))]
    assert [line.split()[0] for line in lines] == ["cetnet", "dmoe/nfm_se"]
    assert "arXiv:2411.13700" in lines[0]


def test_a_model_is_shown_with_its_configuration_and_its_cost(concord, tmp_path):
    (tmp_path / "a.yaml").write_text(DATASET % "/nowhere")
    code, out, _ = concord("models", "crossnet_v2_low_rank", "--config", "a.yaml")
    assert code == 0
    shown = yaml.safe_load(out.partition("built for")[0])
    assert "train" not in shown  # the paper says nothing of it
    # One field of width 16: a rank-32 cross of three layers, a reduction to 128, the head.
    assert shown["model"]["branches"]["crossnet_v2"]["rank"] == 32
    cross, reduction = 3 * (16 * 32 + 32 * 16 + 16), 16 * 128 + 128
    assert f"│ {cross + reduction:,} │" in " ".join(out.split())
    flops = 3 * 2 * (2 * 16 * 32) + 2 * 16 * 128 + 2 * 128
    assert f"{flops:,} FLOPs per example" in out
    assert "16 x rows of the bundle" in out


def test_a_model_is_shown_with_the_training_that_its_paper_states(concord):
    _, out, _ = concord("models", "dmoe")
    shown = yaml.safe_load(out.partition("built for")[0])
    assert shown["train"] == {"batch_size": 10_000, "learning_rate": 0.001}


@pytest.mark.parametrize(
    ("started_as", "shown"),
    [("/opt/env/bin/concord", "concord"), ("/x/pipeline/__main__.py", "python -m pipeline")],
)
def test_commands_are_shown_as_the_user_types_them(concord, monkeypatch, started_as, shown):
    for arguments in (["models", "mbcnt"], ["evaluate"], ["models"]):
        _, out, err = concord(*arguments, started_as=started_as)
        commands = re.findall(r"(concord|python -m pipeline) (?:models|evaluate)", out + err)
        assert set(commands) == {shown}


@pytest.mark.parametrize(
    ("arguments", "config", "run"),
    [
        ([], "movielens_100k/mbcnet", "runs/movielens_100k/mbcnet"),
        (["--preset", "cetnet"], "movielens_100k/dataset", "runs/movielens_100k/dataset-cetnet"),
        (["--config", "criteo/dataset"], "criteo/dataset", "runs/criteo/dataset"),
    ],
)
def test_the_main_job_has_a_default_and_takes_names(concord, monkeypatch, arguments, config, run):
    done = []
    monkeypatch.setattr("pipeline.stages.main_job.run_main_job", lambda *given: done.append(given))
    assert concord("run", *arguments)[0] == 0
    ((loaded, directory, *_),) = done
    preset = [f"model.preset={arguments[1]}"] if "--preset" in arguments else []
    assert loaded == load_config(config, preset)
    assert str(directory.path) == run


def test_a_bug_shows_its_traceback(concord, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("pipeline.config.layers.read_layers", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        concord("run", "--config", "a.yaml")


def test_user_errors_of_every_package_are_caught(concord, monkeypatch):
    def mistaken(*_):
        raise ConfigError("what, where, how.")

    monkeypatch.setattr("pipeline.config.layers.read_layers", mistaken)
    assert concord("run", "--config", "a.yaml")[::2] == (2, "error: what, where, how.\n")


def test_keras_3_imported_first_is_a_sentence_and_exit_code_2(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import tensorflow as tf; tf.keras.layers")
    root = Path(__file__).parents[3]
    environment = {name: v for name, v in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "--config", "a.yaml"],
        cwd=root,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: TensorFlow was imported before Concord")
    assert "set TF_USE_LEGACY_KERAS=1" in last
    assert "Traceback" not in done.stderr
