"""A version of a model in memory: its SavedModel in a session of its own."""

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from serving.scoring.input_counter import InputCounter
from serving.server.core.background import at_once
from serving.server.core.private_tensorflow import make_callable
from serving.server.core.saved_graph import INIT_OP, load_graph
from serving.server.core.serving_error import ServingError, from_tensorflow
from serving.server.core.validation import (
    Signature,
    TensorInfo,
    check_inputs,
    check_outputs,
    check_texts,
    find_signature,
)

__all__ = ["LoadedModel", "Signature", "TensorInfo"]


class LoadedModel:
    """A SavedModel that answers, from any number of threads at once.

    Example:
        >>> model = LoadedModel("taobao", 3, Path("runs/a1/export/3"))
        >>> model.run("serving_default", {"examples": np.array([example], object)})
        {'prob': array([0.18], dtype=float32)}

    Args:
        name: Name of the model.
        version: Number of the version.
        path: Folder of the version.
        run: Runs what computes for long outside of the interpreter, such as
            `background.at_low_priority`.

    Attributes:
        name: Name of the model.
        version: Number of the version.
        path: Folder of the version.
        signatures: What can be asked of it, by name.
        meta_graph: The SavedModel's own SignatureDef of each of them, by name.
        inputs: Counts what is missing and unknown in what it is asked; None where nobody noted
            what training saw.

    Raises:
        Exception: Whatever TensorFlow raises on a SavedModel that cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        run: Callable[[Callable[[], Any]], Any] = at_once,
    ) -> None:
        self.name, self.version, self.path = name, version, path
        self._run_long = run
        self.inputs: InputCounter | None = None
        self._session: tf.compat.v1.Session | None = None
        self._callables: dict[str, Callable[..., list[np.ndarray]]] = {}
        self._lock = threading.Lock()
        self._closed = False
        try:
            try:
                self._open(in_callers_thread=True)
            except tf.errors.FailedPreconditionError:
                self._close_session()
                self._open(in_callers_thread=False)
        except BaseException:
            self.close()
            raise

    def _open(self, in_callers_thread: bool) -> None:
        """Loads the graph into a session.

        Args:
            in_callers_thread: Compute a request in the thread that asks, one operation after the
                other, of which large ones are still spread over the cores. That takes a fifth to
                a quarter of the processor time off a request of 100 candidates. TensorFlow
                cannot run graphs with loops or conditions of its first version so.

        Raises:
            tf.errors.FailedPreconditionError: Those.
        """
        config = tf.compat.v1.ConfigProto()
        if in_callers_thread:
            config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
        session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        self._session = session
        loaded = load_graph(session, self.path, self._run_long)
        self.meta_graph = {
            key: each for key, each in loaded.signature_def.items() if key != INIT_OP
        }
        self.signatures = {key: _signature(key, each) for key, each in self.meta_graph.items()}
        for key, signature in self.signatures.items():
            make = partial(
                make_callable,
                session,
                feeds=[info.name for info in signature.inputs.values()],
                fetches=[info.name for info in signature.outputs.values()],
                in_callers_thread=in_callers_thread,
            )
            self._callables[key] = self._run_long(make)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Answers one request.

        Args:
            signature: The name of one of `signatures`.
            inputs: An array for each of its inputs; strings as object arrays of bytes.
            outputs: Names of the outputs to answer with; all where there is none.

        Raises:
            ServingError: The request does not fit the signature, or cannot be computed.
        """
        checked = find_signature(self.signatures, signature)
        check_outputs(checked, outputs)
        arrays, _ = check_inputs(checked, inputs)
        values = self.run_checked(checked, arrays)
        return {name: values[name] for name in outputs} if outputs else values

    def run_checked(
        self, signature: Signature, arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """All outputs for what `check_inputs` returned.

        A signature is one function call in the graph: fetching fewer outputs would save nothing,
        and clients could make the server keep a callable for each of the 2^n choices.

        Raises:
            ServingError: It cannot be computed, or the model has been closed.
        """
        try:
            values = self._callables[signature.name](*[arrays[name] for name in signature.inputs])
        except Exception as error:
            if self._closed:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    f"version {self.version} of model {self.name!r} has been unloaded. Ask again.",
                ) from None
            check_texts(signature, arrays)
            raise from_tensorflow(error, f"signature {signature.name!r}") from error
        return dict(zip(signature.outputs, values, strict=True))

    def close(self) -> None:
        """Frees the memory. Nothing may be running; later calls are refused."""
        with self._lock:
            self._closed = True
            self._callables.clear()
            self._close_session()
        gc.collect()  # a graph of Python objects is full of cycles

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None  # freed now, whoever still holds this model


def _signature(name: str, definition: tf.compat.v1.MetaGraphDef) -> Signature:
    return Signature(
        name,
        definition.method_name,
        {key: _info(definition.inputs[key]) for key in sorted(definition.inputs)},
        {key: _info(definition.outputs[key]) for key in sorted(definition.outputs)},
    )


def _info(info: Any) -> TensorInfo:
    shape = tf.TensorShape(info.tensor_shape)
    axes = None if shape.rank is None else tuple(shape.as_list())
    return TensorInfo(info.name, tf.as_dtype(info.dtype), axes)
