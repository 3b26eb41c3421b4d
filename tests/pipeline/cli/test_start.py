"""What a command answers without TensorFlow, it answers before TensorFlow is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATASET = """
data: {source: movielens_100k, path: /nowhere}
features: {user_id: {kind: categorical}, liked: {role: label, column: rating, at_least: 4},
  time: {role: timestamp, column: timestamp}}
groups: {all: [user_id]}
"""
# Runs the command line, and says at the end what it has imported.
PROGRAM = """
import sys
from pipeline.cli.command_line import main
try:
    main()
finally:
    print("tensorflow" in sys.modules, "apache_beam" in sys.modules, file=sys.stderr)
"""


@pytest.fixture
def started(tmp_path):
    """Runs a command in a fresh process: its exit code, output, errors, whether TensorFlow came."""

    def start(*arguments):
        (tmp_path / "a.yaml").write_text(DATASET)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CONCORD_CACHE": str(tmp_path / "c")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        *lines, imported = done.stderr.splitlines()
        return done.returncode, done.stdout, "\n".join(lines), imported.split()[0] == "True"

    return start


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["models"]])
def test_what_lists_needs_no_tensorflow(started, arguments):
    code, out, err, tensorflow = started(*arguments)
    assert (code, err, tensorflow) == (0, "", False)
    assert "mbcnet" in out or "--help" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--config", "gone.yaml"], "gone.yaml cannot be read"),
        (["run", "--config", "a.yaml", "--preset", "mbcnt"], "Did you mean mbcnet?"),
        (["run", "--config", "a.yaml", "--set", "data.sorce=x"], "Did you mean data.source?"),
        (["run", "--config", "a.yaml", "--set", "train.epochs=0"], "train.epochs: Input should be"),
        (["run", "--config", "a.yaml", "--set", "train.epochs"], "must be key.path=value"),
        (["run", "--config", "a.yaml", "--set", "model.sacle=2"], "Did you mean model.scale?"),
        (["train", "--config", "a.yaml", "--set", "model.fusion=sun"], "Did you mean sum?"),
        (
            ["train", "--config", "a.yaml", "--set", "model.branches.a.type=dep"],
            "--set model.branches.a.type=dep: model.branches.a: 'dep' is not a type. "
            "Did you mean deep?",
        ),
        (
            ["train", "--config", "a.yaml", "--set", "model.cooperation.co_taching.weight=1"],
            "'co_taching' is not a type. Did you mean co_teaching?",
        ),
        (["build-bundle", "--config", "a.yaml", "--set", "data.splt=1"], "Did you mean data.split"),
        (["compare", "a.yaml", "--set", "data.splt=1"], "Did you mean data.split?"),
        (["models", "mbcnt"], "'mbcnt' is not a preset. Did you mean mbcnet?"),
        (["models", "mbcnet", "--set", "model.embedding.embeding_dim=8"], "embedding_dim?"),
        (["evaluate", "runs/a"], "runs/a is not the folder of a run"),
        (["export", "runs/a"], "runs/a is not the folder of a run"),
    ],
)
def test_a_mistake_is_answered_without_tensorflow(started, arguments, sentence):
    code, out, err, tensorflow = started(*arguments)
    assert (code, out, tensorflow) == (2, "", False)
    assert err.startswith("error: ")
    assert sentence in err


def test_a_mistake_in_what_a_class_takes_is_found_with_its_class(started):
    setting = "model.branches.deep.unitz=[8]"
    code, _, err, tensorflow = started("train", "--config", "a.yaml", "--set", setting)
    assert (code, tensorflow) == (2, True)
    assert err == (
        f"error: --set {setting}: model.branches.deep: unitz is not an option of Deep. "
        "Did you mean units?"
    )


def test_a_preset_that_was_shown_is_shown_again_without_tensorflow(started):
    arguments = ("models", "crossnet_v2_low_rank", "--config", "a.yaml")
    first = started(*arguments)
    again = started(*arguments)
    assert (first[0], first[3], again[3]) == (0, True, False)
    assert first[:3] == again[:3]
    assert "FLOPs per example" in again[1]
    other = started(*arguments, "--set", "model.embedding.embedding_dim=4")
    assert other[3]  # another network: nothing is known of it
    assert other[1] != first[1]
