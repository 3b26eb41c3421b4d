"""The wheel, installed apart from the checkout: what its users get, run from a folder of theirs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from pipeline.system.version import VERSION
from tests.pipeline.small_movielens import LEARNING, write_small_movielens

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "models", "serving", "pipeline")
EXTRAS = ("serve", "dev", "compare", "report", "tune")
REQUIREMENTS = ("requirements.in", *(f"requirements-{extra}.in" for extra in EXTRAS))
SOURCES = (*PACKAGES, "pyproject.toml", *REQUIREMENTS)
# Python imports it as `sitecustomize` whenever it starts: notes the start, and hides what is said
# to be missing.
STARTS = """
import os, sys
with open("starts.txt", "a") as file:
    print(os.getpid(), os.environ.get("GLIBC_TUNABLES"), file=file)
missing = os.environ.get("MISSING", "").split()
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"{name} is not installed")
sys.meta_path.insert(0, Missing)
"""
OF_A_CHECKOUT = {"pom.xml", ".gitignore"}  # for `make flink-server`, for git


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools writes into the folder that it builds
    for name in (*SOURCES, "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Folder of the installed packages; their dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True)
    return folder


def modules_of(requirements: str) -> list[str]:
    """Names of the modules that a file of requirements names."""
    names = re.findall(r"^[a-z][a-z-]*", (ROOT / requirements).read_text("utf-8"), re.MULTILINE)
    return [name.replace("-", "_") for name in names]


def environment(installed: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(installed)}


def concord(installed: Path, cwd: Path, *arguments: str) -> str:
    """Output of the command in another folder."""
    done = subprocess.run(
        [str(installed / "bin/concord"), *arguments],
        cwd=cwd,
        env=environment(installed),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_every_file_of_the_packages(wheel):
    assert wheel.name == f"concord_ctr-{VERSION}-py3-none-any.whl"
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name not in OF_A_CHECKOUT
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


@pytest.mark.slow
def test_the_command_lists_the_presets_outside_the_checkout(installed, tmp_path):
    assert "Usage: concord " in concord(installed, tmp_path, "--help")
    listed = concord(installed, tmp_path, "models")
    assert re.search(r"^cetnet .*arXiv:2411.13700", listed, re.MULTILINE)
    assert "Train one: concord run --preset NAME" in listed
    assert "built for movielens_100k" in concord(installed, tmp_path, "models", "cetnet")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_the_module_is_the_same_command(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "evaluate", "gone"],
        cwd=tmp_path,
        env=environment(installed),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: gone is not the folder of a run")
    assert "python -m pipeline train" in done.stderr


@pytest.mark.slow
def test_it_trains_and_serves_outside_the_checkout(installed, tmp_path):
    data = write_small_movielens(tmp_path / "data")
    given = (f"data.path={data}", "train.epochs=2", "data.history_partitions=2", *LEARNING)
    settings = [f"--set={setting}" for setting in given]
    (installed / "sitecustomize.py").write_text(STARTS)
    out = concord(installed, tmp_path, "run", "--preset", "dnn", *settings)
    (first, without), (second, tunables), *_ = (
        line.split() for line in (tmp_path / "starts.txt").read_text().splitlines()
    )
    assert (first, without) == (second, "None"), "the process starts again, with its number"
    assert "glibc.malloc.hugetlb=1" in tunables
    assert "predict   concord predict runs/movielens_100k/dataset-dnn/export/1" in out
    assert (tmp_path / "runs/movielens_100k/dataset-dnn/export/1/saved_model.pb").exists()
    missing = modules_of("requirements.in")  # what requirements-serve.txt leaves out
    assert "apache_beam" in missing
    command = [str(installed / "bin/concord"), "serve", "runs/movielens_100k/dataset-dnn"]
    server = subprocess.Popen(
        [*command, "--grpc-port", "0", "--rest-port", "0"],
        cwd=tmp_path,
        env={**environment(installed), "MISSING": " ".join(missing)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = next(line.split()[1] for line in server.stdout if line.startswith("rest"))
        with urllib.request.urlopen(url, timeout=60) as page:
            assert b"Concord" in page.read()
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(60)
    assert server.returncode == 0
