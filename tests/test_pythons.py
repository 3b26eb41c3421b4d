"""`make` and CI take interpreters that start and can make environments, and say so if none is."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STARTS, FAILS = "exit 0", "exit 127"  # a shim of pyenv whose version is not chosen


@pytest.fixture
def path(tmp_path):
    """Two folders of a PATH that holds the tools of the scripts, and no Python."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    for tool in ("sh", "sed", "tr", "ls"):
        (tmp_path / "first" / tool).symlink_to(f"/bin/{tool}")
    return tmp_path


def put(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def run(script: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join([str(path / "first"), str(path / "second")])
    return subprocess.run(
        ["/bin/sh", f".ci/{script}"],
        cwd=ROOT,
        env={"PATH": search, **variables},
        capture_output=True,
        text=True,
    )


def test_interpreters_that_start_are_listed_newest_first(path):
    put(path / "first/python3.10", STARTS)
    put(path / "first/python3.12", FAILS)
    put(path / "second/python3.12", STARTS)
    put(path / "second/python3.13", FAILS)
    put(path / "second/python3.14", STARTS)
    lines = run("pythons", path).stdout.splitlines()
    assert lines == [f"3.12 {path}/second/python3.12", f"3.10 {path}/first/python3.10"]


def test_those_of_pyenv_are_listed_where_they_are_asked_for(path):
    (path / "root/versions/3.13.0/bin").mkdir(parents=True)
    put(path / "root/versions/3.13.0/bin/python3.13", STARTS)
    put(path / "first/pyenv", f"echo {path}/root")
    assert run("pythons", path).stdout == ""
    options = ["/bin/sh", ".ci/pythons", "--pyenv"]
    done = subprocess.run(
        options, cwd=ROOT, env={"PATH": str(path / "first")}, capture_output=True, text=True
    )
    assert done.stdout == f"3.13 {path}/root/versions/3.13.0/bin/python3.13\n"


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            "",
            "none is on the PATH. Install one (Debian, Ubuntu: python3-venv), or run: make PYTHON",
        ),
        ("/nowhere", "'/nowhere' is no Python that starts. Install one and run: make PYTHON="),
        ("{path}/second/python3.9", "second/python3.9' is 3.9. Install one and run: make PYTHON="),
    ],
)
def test_without_an_interpreter_the_sentence_says_the_remedy(path, python, sentence):
    put(path / "second/python3.9", "echo 3.9")
    done = run("environment", path, PYTHON=python.format(path=path), VENV=str(path / "env"))
    assert done.returncode == 2
    assert sentence in done.stdout
    assert done.stdout.startswith("Concord needs Python 3.10, 3.11, 3.12 or 3.13")
    assert not (path / "env").exists()
