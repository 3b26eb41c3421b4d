"""Fetches MovieLens-100K out of a wheel on PyPI, into a cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from features.errors import DataError
from features.publish import publish

REQUIREMENT = "recbole==1.2.1"
SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FILES = ("ml-100k.inter", "ml-100k.user", "ml-100k.item")
_FOLDER_IN_WHEEL = "recbole/dataset_example/ml-100k"
_HOW_ELSE = "Or get the files elsewhere and give their folder: --set data.path=..."


def cache_folder() -> Path:
    """Where fetched data sets lie: $CONCORD_CACHE, or ~/.cache/concord."""
    return Path(os.environ.get("CONCORD_CACHE") or Path.home() / ".cache" / "concord")


def fetch_movielens_100k() -> str:
    """Makes sure that MovieLens-100K lies in the cache, and returns its folder.

    The wheel is downloaded without its dependencies, nothing of it is installed or run, and its
    checksum is pinned. Files appear all at once, so an interrupted call leaves nothing behind.

    Raises:
        DataError: The download failed, or what came is not the pinned file.
    """
    folder = cache_folder() / "movielens_100k"
    if all((folder / name).is_file() for name in FILES):
        return str(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".movielens_100k-") as scratch:
        wheel = _download(Path(scratch))
        _check(wheel)
        ready = Path(scratch) / "ready"
        ready.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                (ready / name).write_bytes(archive.read(f"{_FOLDER_IN_WHEEL}/{name}"))
        _move_into_place(ready, folder)
    return str(folder)


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(scratch), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise DataError(
            f"MovieLens-100K could not be fetched: `pip download --no-deps {REQUIREMENT}` ended "
            f"with code {done.returncode} and said: {said} Check the network and pip's index, and "
            f"run again. {_HOW_ELSE}"
        )
    return wheels[0]


def _check(wheel: Path) -> None:
    received = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if received != SHA256:
        raise DataError(
            f"MovieLens-100K: {wheel.name} has sha256 {received}, expected {SHA256}. The package "
            f"index serves another file; it was not used. {_HOW_ELSE}"
        )


def _move_into_place(ready: Path, folder: Path) -> None:
    """Renames `ready` to `folder`; another process may have been faster."""
    if folder.exists() and not all((folder / name).is_file() for name in FILES):
        shutil.rmtree(folder)
    try:
        publish(ready, folder)
    except OSError:
        if not all((folder / name).is_file() for name in FILES):
            raise
