"""The worked example of docs/design_space.md runs, and the page shows the files that run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.config_files import load_config
from pipeline.presets import preset_names
from tests.pipeline.small_movielens import write_small_movielens

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs/examples"


def run(folder: Path, *arguments: str, plugins: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "--config", str(EXAMPLES / "own_layers.yaml")]
        + [f"--set={each}" for each in arguments],
        cwd=folder,
        env={**environment, "CONCORD_PLUGINS": plugins},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_branch_and_a_loss_of_ones_own_train_and_are_exported(tmp_path):
    data = write_small_movielens(tmp_path / "data")
    done = run(tmp_path, f"data.path={data}", "train.epochs=1", plugins="my_layers")
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


def test_the_readme_counts_the_presets():
    page = (ROOT / "README.md").read_text("utf-8")
    counts = [int(count) for count in re.findall(r"# (\d+) presets", page)]
    assert counts == [len(preset_names())], "README.md: correct the count in `# ... presets`"
