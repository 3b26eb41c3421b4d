"""Dynamic batching: small requests of one signature that come together are computed together."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from features.errors import ConfigError
from serving.export_format import names
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError
from serving.server.core.validation import Signature

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class BatchingOptions:
    """When requests are merged.

    Attributes:
        max_batch_size: Most rows in a merged batch; larger requests run alone.
        timeout_micros: Longest time, in microseconds, that the first request of a batch waits
            for others.
    """

    max_batch_size: int = 128
    timeout_micros: int = 1000

    def __post_init__(self) -> None:
        if self.max_batch_size < 2 or self.timeout_micros < 0:
            raise ConfigError(
                "batching needs a max_batch_size of at least 2 rows and a timeout_micros of at "
                f"least 0. Received: {self.max_batch_size} and {self.timeout_micros}."
            )


@dataclass
class _Request:
    arrays: Arrays
    rows: int
    outputs: Arrays | None = None
    error: ServingError | None = None


@dataclass
class _Batch:
    requests: list[_Request] = field(default_factory=list)
    rows: int = 0
    full: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class Batcher:
    """Merges requests in the threads that they come in: the first of a batch computes for all.

    A batch takes requests until it is full, or until its first request has waited for the timeout
    and has its turn to compute. A request that is alone in the server does not wait.

    What is merged has the same model, version, signature and inner sizes; lists of strings are
    padded with empty strings to the longest, as `features.raw_tensors.to_dense` pads them. If a
    merged batch fails, each of its requests is computed alone, so that only those at fault do.

    Args:
        options: Sizes and times.
        turn: A context manager that holds a turn to compute.
        alone: Whether no other request is in the server.
    """

    def __init__(
        self,
        options: BatchingOptions,
        turn: Callable[[], AbstractContextManager],
        alone: Callable[[], bool],
    ) -> None:
        self._options = options
        self._turn = turn
        self._alone = alone
        self._lock = threading.Lock()
        self._open: dict[Hashable, _Batch] = {}

    @property
    def gathering(self) -> int:
        """Batches that still take requests."""
        return len(self._open)

    def takes(self, signature: Signature, rows: int) -> bool:
        """Whether a request may be merged. `rank` never is: its user's side belongs to it alone."""
        tensors = (*signature.inputs.values(), *signature.outputs.values())
        return (
            0 < rows < self._options.max_batch_size
            and signature.name != names.RANK
            and all(info.batched for info in tensors)
        )

    def run(
        self, model: LoadedModel, signature: Signature, arrays: Arrays, rows: int
    ) -> dict[str, np.ndarray]:
        """Answers one request that `takes` accepts: all outputs of its own rows.

        Args:
            model: In use by the caller, and so loaded until this returns.
            signature: Signature of the model to compute.
            arrays: What `check_inputs` returned.
            rows: Number of rows in the arrays.

        Raises:
            ServingError: This request cannot be computed.
        """
        request = _Request(arrays, rows)
        key = (model, signature.name, _inner_shapes(signature, arrays))
        batch = self._join(key, request)
        if batch.requests[0] is request:
            try:
                self._lead(key, batch, model, signature)
            finally:
                batch.done.set()
        else:
            batch.done.wait()
        if request.error is not None:
            raise request.error
        if request.outputs is None:
            raise RuntimeError("the thread that computed this batch broke off")
        return dict(request.outputs)

    def _join(self, key: Hashable, request: _Request) -> _Batch:
        with self._lock:
            batch = self._open.get(key)
            if batch is not None and batch.rows + request.rows > self._options.max_batch_size:
                batch.full.set()
                batch = None
            if batch is None:
                batch = self._open[key] = _Batch()
            batch.requests.append(request)
            batch.rows += request.rows
            if batch.rows == self._options.max_batch_size:
                batch.full.set()
                del self._open[key]
            return batch

    def _lead(self, key: Hashable, batch: _Batch, model: LoadedModel, signature: Signature) -> None:
        if not self._alone():
            batch.full.wait(self._options.timeout_micros / 1e6)
        with self._turn():
            with self._lock:
                if self._open.get(key) is batch:
                    del self._open[key]
            _compute(batch.requests, model, signature)


def _inner_shapes(signature: Signature, arrays: Arrays) -> Hashable:
    """What must be equal to merge: all sizes but the rows' and those that can be padded."""
    return tuple(
        None if _pads(signature, name) else array.shape[1:] for name, array in arrays.items()
    )


def _pads(signature: Signature, name: str) -> bool:
    info = signature.inputs[name]
    shape = info.shape or ()
    return info.dtype == tf.string and len(shape) == 2 and shape[1] is None


def _compute(requests: Sequence[_Request], model: LoadedModel, signature: Signature) -> None:
    if len(requests) > 1 and _compute_merged(requests, model, signature):
        return
    for request in requests:
        try:
            request.outputs = model.run_checked(signature, request.arrays)
        except ServingError as error:
            request.error = error


def _compute_merged(requests: Sequence[_Request], model: LoadedModel, signature: Signature) -> bool:
    arrays = {
        name: _joined([each.arrays[name] for each in requests], _pads(signature, name))
        for name in signature.inputs
    }
    rows = sum(each.rows for each in requests)
    try:
        outputs = model.run_checked(signature, arrays)
    except ServingError:
        return False  # by whom, the requests alone will show
    if any(value.shape[:1] != (rows,) for value in outputs.values()):
        return False  # not a row for a row
    start = 0
    for request in requests:
        stop = start + request.rows
        # Copies: a slice would keep the whole batch, and let one answer reach the next.
        request.outputs = {name: value[start:stop].copy() for name, value in outputs.items()}
        start = stop
    return True


def _joined(arrays: Sequence[np.ndarray], pad: bool) -> np.ndarray:
    if not pad:
        return np.concatenate(arrays)
    widest = max(array.shape[1] for array in arrays)
    joined = np.full((sum(len(array) for array in arrays), widest), b"", object)
    start = 0
    for array in arrays:
        joined[start : start + len(array), : array.shape[1]] = array
        start += len(array)
    return joined
