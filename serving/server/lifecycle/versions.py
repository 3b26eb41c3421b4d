"""The version folders of a model on disk: which there are, and why one cannot be used."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving.export_format.export_layout import OPENVINO_MODEL, SAVED_MODEL, is_version_name
from serving.server.core.serving_error import quote

_LARGEST = 2**63 - 1  # versions are int64 in TensorFlow Serving's API

# Path, size, time of change and inode of every file: cheap, and another one after any change that
# could make an unusable version usable.
Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Policy:
    """Which versions of a model are to be served.

    Attributes:
        kind: `latest`, `all` or `specific`.
        latest: How many of the latest, where `kind` is `latest`.
        specific: Which, where `kind` is `specific`.
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    latest: int = 1
    specific: frozenset[int] = frozenset()

    def candidates(self, found: Iterable[int]) -> list[int]:
        """The versions to try, latest first."""
        numbers = sorted(found, reverse=True)
        if self.kind == "specific":
            return [number for number in numbers if number in self.specific]
        return numbers

    @property
    def limit(self) -> int | None:
        """How many of the candidates are to be served, None for all of them."""
        return self.latest if self.kind == "latest" else None


def find_versions(base: Path) -> dict[int, Path]:
    """Number -> folder of each version under a base path; none where there is no such folder.

    A name is a version where it is all digits. Files, hidden folders and everything else are
    passed over; of `1` and `01` the one without zeros counts.
    """
    folders: dict[int, Path] = {}
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return folders
    for name in names:
        if not is_version_name(name) or not (base / name).is_dir():
            continue
        number = int(name[:30])
        if number <= _LARGEST and (number not in folders or name == str(number)):
            folders[number] = base / name
    return folders


def fingerprint(folder: Path) -> Fingerprint:
    """What changes when a file of the folder does, or may be read by now."""
    files = []
    for path in _walk(str(folder)):
        try:
            stat = os.stat(path)
        except OSError:
            continue  # gone in the meantime: so the next fingerprint will differ
        files.append((path, stat.st_size, stat.st_ctime_ns, stat.st_ino))
    return tuple(sorted(files))


def why_unusable(folder: Path, base: Path) -> str | None:
    """What is wrong with a version folder before anything is read, None where nothing is.

    Links may lead to other places under the base path, such as a shared assets folder, but never
    out of it: whoever can write a version must not be able to make the server read other files.
    """
    root = os.path.realpath(base)
    for path in _walk(str(folder)):
        real = os.path.realpath(path)
        shown = quote(os.path.relpath(path, base))
        if os.path.commonpath((root, real)) != root:
            return f"{shown} is a link that leads out of the model's base path"
        if not os.path.exists(real):
            return f"{shown} is a link that leads nowhere, or has just been removed"
        if not os.path.isfile(real) and not os.path.isdir(real):  # a pipe is read for ever
            return f"{shown} is neither a file nor a folder"
    if not os.path.isfile(folder / SAVED_MODEL):
        if os.path.isfile(folder / OPENVINO_MODEL):
            return "it is an export to OpenVINO, which is not served here"
        return f"it has no {SAVED_MODEL}"
    return None


def _walk(folder: str) -> Iterator[str]:
    """A folder and every path below it, through links too, each real folder once."""
    entered: set[str] = set()
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        yield path
        real = os.path.realpath(path)
        if real not in entered:
            entered.add(real)
            with contextlib.suppress(OSError):  # a file, or gone
                waiting += [os.path.join(path, name) for name in os.listdir(path)]
