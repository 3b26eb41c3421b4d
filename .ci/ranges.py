"""Concord's wheel with the lowest and with the newest packages that its ranges allow.

An environment for each end lies in `.cache/`: the wheel in it does a short main job and scores rows
from a folder of its own, and the fast tests pass. For the Pythons that this one is not, both ends
are resolved to packages that have wheels. Run by `make ranges`; `.ci/ranges.py highest` tries one.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from every_python import MAIN_JOB, ROOT, TESTS, VERSIONS, run

from tests.pipeline.small_movielens import write_small_movielens

CACHE = ROOT / ".cache/ranges"
UV = (sys.executable, "-m", "uv")
ENDS = ("lowest-direct", "highest")
RANGES = ("requirements-serve.in", "requirements.in")  # what pyproject.toml makes the wheel's of
TOOLS = ("pytest", "hypothesis", "scikit-learn")
OF_THE_SERVER = ("tests/serving/server/http", "tests/serving/client")  # rely on aiohttp and gRPC


def main() -> int:
    """Returns 1 where an end does not work."""
    data = write_small_movielens(CACHE / "data")
    failed = [end for end in sys.argv[1:] or ENDS if not fits(end, data)]
    if failed:
        print(f"ranges    failed at {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def fits(end: str, data: Path) -> bool:
    """Whether an end of the ranges works; prints it, with the versions that it is."""
    begin = time.monotonic()
    try:
        for version in VERSIONS:
            resolve(end, version)
        python = environment(end)
        auc = main_job(python, data, CACHE / end / "work")
        select = "not slow and not flink"
        # What a package of another day warns of is no failure.
        run(str(python), "-m", "pytest", "-W", "ignore", "-m", select, *TESTS, *OF_THE_SERVER)
    except subprocess.CalledProcessError as error:
        print(f"ranges    {end}: {' '.join(map(str, error.cmd))} failed:", file=sys.stderr)
        print(error.stdout[-5000:], error.stderr[-5000:], sep="\n", file=sys.stderr)
        return False
    print(
        f"ranges    {end}: tests passed, main job's AUC {auc:.4f}; "
        f"{time.monotonic() - begin:.0f} s\n{' '.join(direct_versions(end))}",
        flush=True,
    )
    return True


def own_version() -> str:
    """Of this Python, as `3.11`."""
    return ".".join(map(str, sys.version_info[:2]))


def resolve(end: str, version: str) -> Path:
    """The pins of an end for a Python, wheels of all that the ranges name."""
    pins = CACHE / end / f"{version}.txt"
    pins.parent.mkdir(parents=True, exist_ok=True)
    command = [*UV, "pip", "compile", "--quiet", "--upgrade", "--resolution", end]
    command += ["--python-version", version, "--output-file", str(pins)]
    command += [f"--only-binary={name}" for name in named()]
    run(*command, *RANGES)
    return pins


def environment(end: str) -> Path:
    """Python of an environment with the pins of an end, the wheel, and what the tests need."""
    folder, pins = CACHE / end / "venv", CACHE / end / f"{own_version()}.txt"
    run(*UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    python = folder / "bin/python"
    install = (*UV, "pip", "install", "--quiet", "--python", str(python))
    run(*install, "--requirement", str(pins))
    run(*install, "--constraint", str(pins), *TOOLS)
    built = CACHE / end / "dist"
    shutil.rmtree(built, ignore_errors=True)
    run(*UV, "build", "--quiet", "--out-dir", str(built))  # the wheel from the source archive
    (wheel,) = built.glob("*.whl")
    run(*install, "--no-deps", "--reinstall-package", "concord-ctr", str(wheel))
    run(*UV, "pip", "check", "--quiet", "--python", str(python))
    return python


def main_job(python: Path, data: Path, folder: Path) -> float:
    """AUC of the main job of the installed wheel, whose export scores the rows inside it."""
    folder.mkdir(exist_ok=True)
    concord, out = str(python.with_name("concord")), folder / "run"
    places = ("--bundle", str(folder / "bundle"), "--out", str(out), "--overwrite", "--restart")
    run(concord, *MAIN_JOB, f"--set=data.path={data}", *places, cwd=folder)
    rows = out / "export/1/assets.extra/sample_rows.jsonl"
    run(concord, "predict", str(out / "export"), "--input", str(rows), cwd=folder)
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    return float(metrics["evaluation"]["test"]["metrics"]["fused"]["auc"])


def direct_versions(end: str) -> list[str]:
    """What the ranges came to for this Python."""
    pins = (CACHE / end / f"{own_version()}.txt").read_text("utf-8")
    return [pin for pin in re.findall(r"^\S+==\S+", pins, re.MULTILINE) if _name(pin) in named()]


def named() -> list[str]:
    """The packages that the ranges name."""
    return re.findall(r"^[a-z][a-z0-9-]*", "\n".join(map(_text, RANGES)), re.MULTILINE)


def _text(requirements: str) -> str:
    return (ROOT / requirements).read_text("utf-8")


def _name(pin: str) -> str:
    return pin.partition("==")[0]


if __name__ == "__main__":
    sys.exit(main())
