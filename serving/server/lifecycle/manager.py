"""Models that are served: looked up, limited, swapped for newer versions while they answer."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np

from features.errors import did_you_mean
from serving.server.core.batching import Batcher, BatchingOptions
from serving.server.core.limits import Admission
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError, invalid, not_found, quote
from serving.server.core.validation import check_inputs, check_outputs, find_signature
from serving.server.lifecycle.loading import load_warm
from serving.server.lifecycle.models_config import ModelConfig
from serving.server.lifecycle.served import ServedModel, VersionStatus

__all__ = ["ModelManager", "VersionStatus"]

MAX_BATCH = 10_000
MAX_CONCURRENCY = 128

_log = logging.getLogger(__name__)


class ModelManager:
    """Keeps the versions of several models loaded, and answers from them.

    Example:
        >>> manager = ModelManager([from_folder("runs/a1")])
        >>> manager.start()
        >>> with manager.use("a1") as model:
        ...     manager.run(model, "serving_default", {"examples": examples})
        {'prob': array([0.18, 0.03], dtype=float32)}

    Args:
        models: What to serve.
        poll_seconds: How often the folders are looked at.
        max_batch: Most rows of a request.
        max_concurrency: Most requests inside at a time, computing or waiting for their turn.
        parallel: Most requests that compute at a time; as many as there are cores by default.
        batching: How requests are merged; None leaves each alone.
    """

    def __init__(
        self,
        models: Iterable[ModelConfig],
        *,
        poll_seconds: float = 2.0,
        max_batch: int = MAX_BATCH,
        max_concurrency: int = MAX_CONCURRENCY,
        parallel: int | None = None,
        batching: BatchingOptions | None = None,
    ) -> None:
        self.max_batch = max_batch
        self._poll_seconds = poll_seconds
        self._admission = Admission(max_concurrency, parallel or len(os.sched_getaffinity(0)))
        self._batcher = None
        if batching is not None:
            admission = self._admission
            self._batcher = Batcher(batching, admission.turn, lambda: admission.inside <= 1)
        self._served = {config.name: self._make(config) for config in models}
        self._refreshing, self._reloading = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Loads and warms up what is there, then watches the folders in a thread.

        Versions that cannot be used are in `status`, with the reason, and in the log.
        """
        self._stopping.clear()
        self.refresh()
        self._thread = threading.Thread(target=self._poll, name="poll versions", daemon=True)
        self._thread.start()

    def stop(self, grace_seconds: float | None = None) -> None:
        """Stops watching, and lets go of every version after its last use.

        Args:
            grace_seconds: How long to wait for what loads, and then for the last uses of each
                version; None for as long as it takes.
        """
        self._stopping.set()
        if not self._refreshing.acquire(timeout=-1 if grace_seconds is None else grace_seconds):
            _log.warning("a version is still being loaded; the server ends without it")
            return
        try:
            for served in self._served.values():
                served.close(grace_seconds)
        finally:
            self._refreshing.release()
        if self._thread is not None:
            self._thread.join(grace_seconds)

    @property
    def inside(self) -> int:
        """Requests that compute or wait for their turn."""
        return self._admission.inside

    @property
    def watching(self) -> bool:
        """Whether a thread looks at the folders."""
        return self._thread is not None and self._thread.is_alive()

    def refresh(self) -> None:
        """Looks at the folders now: returns when new versions answer and old ones are let go."""
        with self._refreshing:
            if self._stopping.is_set():
                return
            for name, served in list(self._served.items()):
                try:
                    served.refresh()
                except Exception:  # whatever it is, what is loaded goes on answering
                    _log.exception("model %s: its folder cannot be looked at", name)

    def reload(self, models: Iterable[ModelConfig]) -> None:
        """Serves these models from now on, in place of those before.

        Models that stay keep their loaded versions; others go after their last use. A label that
        names a version which is not loaded stays where it was.

        Raises:
            ServingError: FAILED_PRECONDITION, where a new model or a label is not to be had. The
                rest holds nevertheless, and what is lacking comes when its files do. UNAVAILABLE
                during another reload: those that wait would take all threads of the server.
        """
        if not self._reloading.acquire(blocking=False):
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE, "another reload is being answered. Try again later."
            )
        try:
            served = self._replace(list(models))
        finally:
            self._reloading.release()
        for model in served.values():
            reason = model.lacking()
            if reason:
                raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, reason)

    def _replace(self, models: list[ModelConfig]) -> dict[str, ServedModel]:
        with self._refreshing:
            before = self._served
            served = {config.name: self._reused(config) for config in models}
            for model in served.values():
                model.refresh()
            self._served = served
            for name, gone in before.items():
                if served.get(name) is not gone:
                    gone.close(0)
        return served

    @contextmanager
    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[LoadedModel]:
        """A version of a model that stays loaded until the block ends.

        Args:
            name: Name of the model.
            version: Number of the version; None for the latest that is loaded.
            label: Label of the version, in place of its number.

        Raises:
            ServingError: NOT_FOUND, where there is none.
        """
        with self._find(name).use(version, label) as model:
            yield model

    def run(
        self,
        model: LoadedModel,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """`LoadedModel.run` within the limits, merged with other requests where that is on.

        Raises:
            ServingError: INVALID_ARGUMENT for too many rows and whatever does not fit the
                signature; RESOURCE_EXHAUSTED where too many requests are inside.
        """
        with self._admission.admit():
            checked = find_signature(model.signatures, signature)
            check_outputs(checked, outputs)
            arrays, rows = check_inputs(checked, inputs)
            if rows > self.max_batch:
                raise invalid(
                    f"signature {signature!r}: received {rows:,} rows, but a request may have at "
                    f"most {self.max_batch:,}. Send several requests, or raise --max-batch."
                )
            if self._batcher is not None and self._batcher.takes(checked, rows):
                values = self._batcher.run(model, checked, arrays, rows)
            else:
                with self._admission.turn():
                    values = model.run_checked(checked, arrays)
            return {name: values[name] for name in outputs} if outputs else values

    def status(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> list[VersionStatus]:
        """The states of a model's versions, latest first, or of one of them.

        Raises:
            ServingError: NOT_FOUND, where there is no such model or version.
        """
        return self._find(name).statuses(version, label)

    def names(self) -> list[str]:
        """The models, sorted."""
        return sorted(self._served)

    def available(self, name: str) -> list[int]:
        """The versions of a model that answer, latest first."""
        return self._find(name).available

    def labels(self, name: str) -> dict[str, int]:
        """Label -> version, of the labels whose version is loaded."""
        return self._find(name).labels

    @property
    def ready(self) -> bool:
        """Whether every model has a version that answers."""
        return all(served.available for served in list(self._served.values()))

    def _find(self, name: str) -> ServedModel:
        served = self._served.get(name)
        if served is None:
            raise not_found(
                f"there is no model {quote(name)}. {did_you_mean(name[:80], list(self._served))}"
            )
        return served

    def _reused(self, config: ModelConfig) -> ServedModel:
        served = self._served.get(config.name)
        if served is None or served.config.base_path != config.base_path:
            return self._make(config)
        served.config = config
        return served

    def _make(self, config: ModelConfig) -> ServedModel:
        def load(version: int, folder: Path) -> LoadedModel:
            others = any(served.available for served in list(self._served.values()))
            return load_warm(config.name, version, folder, config.base_path, others)

        return ServedModel(config, load)

    def _poll(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            self.refresh()
