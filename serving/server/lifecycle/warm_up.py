"""Requests that a version answers before any client's: graphs are optimised at their first run."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import input_pb2, prediction_log_pb2

from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError, invalid
from serving.server.core.validation import Signature

WARM_UP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
MOST_REQUESTS = 1000  # TensorFlow Serving refuses to load a version with more

_DEFAULT_SIGNATURE = "serving_default"
_log = logging.getLogger(__name__)


def warm_up(model: LoadedModel) -> int:
    """Lets a model answer its warm-up requests, or one small batch a signature without any.

    Returns:
        The number of requests.

    Raises:
        ServingError: A request fails. A version that cannot answer the requests which were made
            for it will not answer clients either.
    """
    path = model.path / WARM_UP_REQUESTS
    if not path.is_file():
        return _one_batch_each(model)
    count = 0
    for log in _read(path):
        count += 1
        if count > MOST_REQUESTS:
            raise invalid(
                f"{WARM_UP_REQUESTS} has more than {MOST_REQUESTS:,} requests, which TensorFlow "
                "Serving refuses too"
            )
        for signature, inputs in _requests(log, model):
            try:
                model.run(signature, inputs)
            except ServingError as error:
                raise ServingError(
                    error.code, f"it fails on its warm-up request {count}: {error.message}"
                ) from error
    return count


def _read(path: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        yield prediction_log_pb2.PredictionLog.FromString(record)


def _requests(
    log: prediction_log_pb2.PredictionLog, model: LoadedModel
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The calls that a logged request comes to."""
    match log.WhichOneof("log_type"):
        case "predict_log":
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(each) for name, each in request.inputs.items()}
            yield request.model_spec.signature_name or _DEFAULT_SIGNATURE, inputs
        case "classify_log":
            request = log.classify_log.request
            yield from _on_examples(request.model_spec.signature_name, request.input, model)
        case "regress_log":
            request = log.regress_log.request
            yield from _on_examples(request.model_spec.signature_name, request.input, model)
        case "multi_inference_log":
            request = log.multi_inference_log.request
            for task in request.tasks:
                yield from _on_examples(task.model_spec.signature_name, request.input, model)
        case kind:
            _log.info("model %s: a warm-up request of kind %s is left out", model.name, kind)


def _on_examples(
    signature: str, given: input_pb2.Input, model: LoadedModel
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    signature = signature or _DEFAULT_SIGNATURE
    known = model.signatures.get(signature)
    name = next(iter(known.inputs)) if known and known.inputs else "inputs"
    yield signature, {name: examples_of(given)}


def examples_of(given: input_pb2.Input) -> np.ndarray:
    """The serialized tf.Examples of an Input; features of a context go into each of them."""
    if given.WhichOneof("kind") == "example_list_with_context":
        listed, context = given.example_list_with_context, True
    else:
        listed, context = given.example_list, False
    serialized = np.empty(len(listed.examples), object)
    for index, example in enumerate(listed.examples):
        if context:  # an Example's own features win
            whole = tf.train.Example()
            whole.CopyFrom(listed.context)
            for key, feature in example.features.feature.items():
                whole.features.feature[key].CopyFrom(feature)
            example = whole
        serialized[index] = example.SerializeToString()
    return serialized


def _one_batch_each(model: LoadedModel) -> int:
    for name, signature in model.signatures.items():
        try:
            model.run(name, blank_row(signature))
        except ServingError as error:
            # Another's model may refuse blanks. What is damaged shows as another code.
            if error.code.name != "INVALID_ARGUMENT":
                raise
            _log.info("model %s: %s is not warmed up: %s", model.name, name, error.message)
    return len(model.signatures)


def blank_row(signature: Signature) -> dict[str, np.ndarray]:
    """One row of zeros and empty strings. An empty string is an Example without features."""
    inputs = {}
    for name, info in signature.inputs.items():
        shape = [size or 1 for size in info.shape or (1,)]
        kind = object if info.dtype == tf.string else info.dtype.as_numpy_dtype
        inputs[name] = np.full(shape, b"" if kind is object else 0, kind)
    return inputs
