"""Concord on every other Python that is installed: fast tests, and a short main job compared.

An environment for each lies in `.cache/`. All bundles must be those of this Python byte for
byte, scores and metrics equal to 1e-6. Run by `make every-python`.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.pipeline.small_movielens import (  # noqa: E402  (from the checkout)
    LEARNING,
    write_small_movielens,
)

CACHE = ROOT / ".cache/every_python"
LOCKS = ("requirements.txt", "requirements-dev.txt")
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
# What reads and encodes values differs between versions of Python; TensorFlow is the same. The main
# job reads files: with the tests of that, where Beam starts again and again, CI would be long.
TESTS = ("tests/features", "tests/pipeline/config")
# The data are small: with these settings two epochs learn from them, and scores differ.
MAIN_JOB = ("run", "--config", "movielens_100k/mbcnet")
MAIN_JOB += tuple(f"--set={setting}" for setting in ("train.epochs=2", *LEARNING))
TOLERANCE = 1e-6


def main() -> int:
    """Returns 1 where a version fails or differs."""
    own = ".".join(map(str, sys.version_info[:2]))
    lines = run(".ci/pythons", "--pyenv").stdout.splitlines()
    others = dict(line.split(maxsplit=1) for line in lines)
    others.pop(own, None)
    missing = [version for version in VERSIONS if version not in (own, *others)]
    print(f"python    {own} is this one's; others found: {', '.join(others) or 'none'}", flush=True)
    if missing:
        print(f"python    not installed, not tried: {', '.join(missing)}", flush=True)
    if not others:
        return 0
    data = write_small_movielens(CACHE / "data")
    expected = main_job(Path(sys.executable), data, CACHE / own)
    # At once: while one installs or waits for its disk, the others compute.
    with ThreadPoolExecutor(len(others)) as pool:
        fitting = pool.map(lambda other: fits(*other, data, expected), others.items())
        failed = [version for version, fit in zip(others, fitting, strict=True) if not fit]
    if failed:
        print(f"python    failed on {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def fits(version: str, interpreter: str, data: Path, expected: tuple[bytes, list[float]]) -> bool:
    """Whether tests pass and the main job's results are the expected ones; prints it."""
    begin = time.monotonic()
    try:
        python = environment(version, interpreter)
        select = "not slow and not flink"
        run(str(python), "-m", "pytest", "-m", select, *TESTS)
        manifest, scores = main_job(python, data, CACHE / version)
    except subprocess.CalledProcessError as error:
        print(f"python    {version}: {' '.join(map(str, error.cmd))} failed:", file=sys.stderr)
        print(error.stdout[-5000:], error.stderr[-5000:], sep="\n", file=sys.stderr)
        return False
    same_bundle = manifest == expected[0]
    difference = max(abs(a - b) for a, b in zip(scores, expected[1], strict=True))
    print(
        f"python    {version}: tests passed; bundle {'equal' if same_bundle else 'DIFFERS'}, "
        f"scores within {difference:.1e}; {time.monotonic() - begin:.0f} s ({interpreter})",
        flush=True,
    )
    return same_bundle and difference <= TOLERANCE


def environment(version: str, interpreter: str) -> Path:
    """Python of the environment for a version, with the pins of the locks."""
    folder = CACHE / f"venv-{version}"
    uv = [sys.executable, "-m", "uv"]
    run(*uv, "venv", "--quiet", "--allow-existing", "--python", interpreter, str(folder))
    python = folder / "bin/python"
    run(*uv, "pip", "sync", "--quiet", "--python", str(python), *LOCKS)
    return python


def main_job(python: Path, data: Path, folder: Path) -> tuple[bytes, list[float]]:
    """The manifest of the bundle; and scores of five rows, AUC and logloss of the network."""
    bundle, run_folder = folder / "bundle", folder / "run"
    places = ("--bundle", str(bundle), "--out", str(run_folder), "--overwrite", "--restart")
    done = run(str(python), "-m", "pipeline", *MAIN_JOB, f"--set=data.path={data}", *places)
    rows = [line for line in map(str.strip, done.stdout.splitlines()) if line.startswith("{")]
    scores = [json.loads(row)["prob"] for row in rows]
    metrics = json.loads((run_folder / "metrics.json").read_text("utf-8"))
    fused = metrics["evaluation"]["test"]["metrics"]["fused"]
    return (bundle / "MANIFEST.json").read_bytes(), [*scores, fused["auc"], fused["logloss"]]


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder; what it prints shows only if it fails."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
