"""Looks at some of the requests, beside their answers, for inputs that training did not see."""

import logging
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from features.input_shares import Difference, differences, in_words
from serving.server.core.loaded_model import LoadedModel

_SECONDS = 0.2  # between two requests that are counted
_MOST_ROWS = 128  # of a request
_WAITING = 4

_log = logging.getLogger(__name__)


class InputWatch:
    """Counts what is missing and unknown in at most five requests a second, in a thread of its own.

    A request that is not looked at costs a look at the clock. Of one with many rows, 128 that are
    spread evenly over it are counted.
    """

    def __init__(self) -> None:
        self._next = 0.0
        self._waiting: queue.Queue[tuple[LoadedModel, str, Mapping[str, np.ndarray]] | None]
        self._waiting = queue.Queue(_WAITING)
        self._warned: set[tuple[str, int, str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="count inputs", daemon=True)
        self._thread.start()

    def note(self, model: LoadedModel, signature: str, inputs: Mapping[str, np.ndarray]) -> None:
        """Has a request that was answered counted, unless another one was just before."""
        now = time.monotonic()
        if model.inputs is None or now < self._next:
            return
        self._next = now + _SECONDS
        with suppress(queue.Full):
            self._waiting.put_nowait((model, signature, inputs))

    def close(self) -> None:
        """Counts what waits, and ends."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (noted := self._waiting.get()) is not None:
            try:
                self._count(*noted)
            except Exception:  # an answer was given: nothing of this may disturb
                _log.exception("the inputs of a request cannot be counted")

    def _count(self, model: LoadedModel, signature: str, inputs: Mapping[str, np.ndarray]) -> None:
        counter = model.inputs
        if counter is None:
            return
        counter.add_inputs(signature, {name: _some(array) for name, array in inputs.items()})
        found = differences(counter.counts(), counter.training)
        new = [each for each in found if self._first(model, each)]
        for line in in_words(new):
            _log.warning("model %s: version %d: %s", model.name, model.version, line)

    def _first(self, model: LoadedModel, found: Difference) -> bool:
        key = (model.name, model.version, found.feature, found.kind)
        is_new = key not in self._warned
        self._warned.add(key)
        return is_new


def _some(array: np.ndarray) -> np.ndarray:
    step = -(-len(array) // _MOST_ROWS) or 1
    return array[::step]
