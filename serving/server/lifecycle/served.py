"""The versions of one model: their states, who uses them, and which should be there."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from features.errors import did_you_mean
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError, first_sentence, not_found, quote
from serving.server.lifecycle.models_config import ModelConfig
from serving.server.lifecycle.versions import Fingerprint, find_versions, fingerprint

START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"
_MOST_ENDED = 100  # statuses of versions that are gone

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionStatus:
    """What TensorFlow Serving's GetModelStatus says about a version.

    Attributes:
        version: Number of the version.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        code: OK, or why a version could not be loaded.
        message: The reason in words, empty where the code is OK.
    """

    version: int
    state: str
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""


@dataclass
class _Loaded:
    model: LoadedModel
    uses: int = 0


class ServedModel:
    """One model: `refresh` makes what is loaded follow its folder, `use` hands it out.

    Args:
        config: Name, folder, policy and labels of the model.
        load: Loads and warms up a version, given its number and folder; raises `ServingError`.
    """

    def __init__(self, config: ModelConfig, load: Callable[[int, Path], LoadedModel]) -> None:
        self.config = config
        self._load = load
        self._changed = threading.Condition(threading.RLock())  # guards everything below
        self._loaded: dict[int, _Loaded] = {}  # AVAILABLE only
        self._statuses: dict[int, VersionStatus] = {}
        self._labels: dict[str, int] = {}
        self._skipped: dict[int, Fingerprint] = {}  # of refresh alone
        self._leaving: set[threading.Thread] = set()

    @contextmanager
    def use(self, version: int | None = None, label: str | None = None) -> Iterator[LoadedModel]:
        """The version asked for, else the latest. It is not closed before the block ends.

        The use is counted under the lock that the version is looked up under.

        Raises:
            ServingError: NOT_FOUND, where no such version is loaded.
        """
        with self._changed:
            entry = self._loaded[self._resolve(version, label)]
            entry.uses += 1
        try:
            yield entry.model
        finally:
            with self._changed:
                entry.uses -= 1
                self._changed.notify_all()

    def statuses(self, version: int | None = None, label: str | None = None) -> list[VersionStatus]:
        """The state of one version, or of all that are or were there, latest first.

        Raises:
            ServingError: NOT_FOUND, where nothing is known of it.
        """
        with self._changed:
            if label is not None:
                version = self._labelled(label)
            if version is None:
                return [self._statuses[each] for each in sorted(self._statuses, reverse=True)]
            if version not in self._statuses:
                raise not_found(f"model {self.config.name!r} has no version {version}.")
            return [self._statuses[version]]

    @property
    def available(self) -> list[int]:
        """The versions that answer, latest first."""
        with self._changed:
            return sorted(self._loaded, reverse=True)

    @property
    def labels(self) -> dict[str, int]:
        """Label -> version that it stands for now."""
        with self._changed:
            return dict(self._labels)

    def lacking(self) -> str | None:
        """What the configuration asks for and is not loaded, in a sentence."""
        with self._changed:
            if not self._loaded:
                reasons = [f"version {each.version}: {each.message}" for each in self.statuses()]
                return (
                    f"model {self.config.name!r} has no version that can be served under "
                    f"{self.config.base_path}. {'; '.join(reasons) or 'There is none.'}"
                )
            for label, version in self.config.labels.items():
                if self._labels.get(label) != version:
                    return (
                        f"model {self.config.name!r}: label {label!r} names version {version}, "
                        "which is not loaded. Labels may name loaded versions only."
                    )
            return None

    def refresh(self) -> None:
        """Loads what should be served, then lets go of what should not. One thread at a time.

        A version that cannot be used is skipped, and tried again when its files have changed;
        under the policy `latest` the one before it is served. While nothing that should be served
        can be, what is loaded goes on answering, even if its folder is gone: it lies in memory.
        """
        folders = find_versions(self.config.base_path)
        kept: list[int] = []
        for number in self.config.policy.candidates(folders):
            if len(kept) == self.config.policy.limit:
                break
            if number in self._loaded or self._try(number, folders[number]):
                kept.append(number)
        if kept:
            for number in set(self.available) - set(kept):
                self._retire(number)
        with self._changed:
            for number in set(self._skipped) - set(folders):
                del self._skipped[number]
                self._statuses.pop(number, None)
            self._move_labels()

    def close(self, timeout: float | None = None) -> None:
        """Lets go of every version, and waits at most so many seconds for their last uses."""
        for number in self.available:
            self._retire(number)
        self.wait_until_unloaded(timeout)

    def wait_until_unloaded(self, timeout: float | None = None) -> None:
        """Waits for what `refresh` let go of, at most so many seconds for each version."""
        for thread in list(self._leaving):
            thread.join(timeout)

    def _try(self, number: int, folder: Path) -> bool:
        """Loads a version, unless it failed before and has not changed since."""
        before = fingerprint(folder)
        if self._skipped.get(number) == before:
            return False
        self._skipped.pop(number, None)
        self._set(VersionStatus(number, LOADING))
        try:
            model = self._load(number, folder)
        except ServingError as error:
            self._skipped[number] = before
            self._set(VersionStatus(number, END, error.code, error.message))
            _log.warning("model %s: version %d is skipped: %s", self.config.name, number, error)
            return False
        except Exception as error:  # not of the version: it is tried again
            self._set(VersionStatus(number, END, grpc.StatusCode.INTERNAL, first_sentence(error)))
            raise
        with self._changed:
            self._loaded[number] = _Loaded(model)
            self._set(VersionStatus(number, AVAILABLE))
        _log.info("model %s: version %d is served", self.config.name, number)
        return True

    def _retire(self, number: int) -> None:
        """Takes a version from those that are handed out; it is closed after its last use."""
        with self._changed:
            entry = self._loaded.pop(number)
            self._set(VersionStatus(number, UNLOADING))
            self._move_labels()
            thread = threading.Thread(
                target=self._close_unused, args=(number, entry), name="unload", daemon=True
            )
            self._leaving.add(thread)
        thread.start()

    def _close_unused(self, number: int, entry: _Loaded) -> None:
        with self._changed:
            self._changed.wait_for(lambda: entry.uses == 0)
        entry.model.close()
        with self._changed:
            self._leaving.discard(threading.current_thread())
            if number not in self._loaded:  # it may be back
                self._set(VersionStatus(number, END))
            ended = [each for each in self._statuses.values() if each.state == END]
            for status in sorted(ended, key=lambda each: each.version)[:-_MOST_ENDED]:
                del self._statuses[status.version]
        _log.info("model %s: version %d is unloaded", self.config.name, number)

    def _set(self, status: VersionStatus) -> None:
        with self._changed:
            self._statuses[status.version] = status

    def _resolve(self, version: int | None, label: str | None) -> int:
        if label is not None:
            version = self._labelled(label)
        if version is None and self._loaded:
            return max(self._loaded)
        if version is None or version not in self._loaded:
            what = "no version" if version is None else f"no version {version}"
            loaded = ", ".join(map(str, sorted(self._loaded))) or "none"
            raise not_found(f"model {self.config.name!r} has {what} loaded. Loaded: {loaded}.")
        return version

    def _labelled(self, label: str) -> int:
        if label not in self._labels:
            raise not_found(
                f"model {self.config.name!r} has no version labelled {quote(label)}. "
                f"{did_you_mean(label[:80], self._labels) if self._labels else 'It has no labels.'}"
            )
        return self._labels[label]

    def _move_labels(self) -> None:
        """A label moves to its version once that is loaded, and stays where it is until then."""
        moved = {}
        for label, version in self.config.labels.items():
            now = version if version in self._loaded else self._labels.get(label)
            if now in self._loaded:
                moved[label] = now
        self._labels = moved
