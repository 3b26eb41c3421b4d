"""Requests for an export, drawn from its own warm-up requests, in every form they are sent in."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

_WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        signature: What is asked.
        rows: Answers that it gets.
        inputs: For a call in this process.
        grpc: A serialized PredictRequest.
        rest: A JSON body, the inputs in columns.
    """

    signature: str
    rows: int
    inputs: Mapping[str, np.ndarray]
    grpc: bytes
    rest: bytes


def request_of(export: Path, model: str, signature: str, rows: int) -> Request:
    """A request of so many rows: those of the largest warm-up request, over and over.

    Args:
        export: A version folder.
        model: Name under which a server offers it.
        signature: One that takes a PredictRequest.
        rows: Rows of the request; candidates of `rank`, whose user stays one.
    """
    inputs = {
        name: _taken(array, rows) for name, array in _largest_warm_up(export, signature).items()
    }
    return made_request(model, signature, rows, inputs)


def made_request(
    model: str, signature: str, rows: int, inputs: Mapping[str, np.ndarray]
) -> Request:
    """A request with these inputs, strings as object arrays."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = model, signature
    for name, array in inputs.items():
        dtype = tf.string if array.dtype == object else None
        message.inputs[name].CopyFrom(tf.make_tensor_proto(array, dtype, array.shape))
    columns = {name: _json(array) for name, array in inputs.items()}
    body = {"signature_name": signature, "inputs": columns}
    return Request(signature, rows, inputs, message.SerializeToString(), json.dumps(body).encode())


def _largest_warm_up(export: Path, signature: str) -> dict[str, np.ndarray]:
    largest: dict[str, np.ndarray] = {}
    for record in tf.data.TFRecordDataset(str(export / _WARM_UP)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        if log.model_spec.signature_name != signature:
            continue
        inputs = {name: tf.make_ndarray(log.inputs[name]) for name in log.inputs}
        if max(map(len, inputs.values())) > max(map(len, largest.values()), default=0):
            largest = inputs
    if not largest:
        raise ValueError(
            f"{export} has no warm-up request for signature {signature!r}. Export the run again."
        )
    return largest


def _taken(array: np.ndarray, rows: int) -> np.ndarray:
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)  # JSON has no nan
    return array if len(array) == 1 else array[np.arange(rows) % len(array)]


def _json(array: np.ndarray) -> list[Any]:
    def text(cell: Any) -> Any:
        if isinstance(cell, list):
            return [text(value) for value in cell]
        if isinstance(cell, bytes):
            try:
                return cell.decode()
            except UnicodeDecodeError:
                return {"b64": base64.b64encode(cell).decode()}
        return cell

    return text(array.tolist())
