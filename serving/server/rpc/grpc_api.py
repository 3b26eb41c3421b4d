"""TensorFlow Serving's gRPC API: bytes to messages, and messages to the handlers."""

import time
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from typing import TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from features.errors import ConfigError
from serving.server.core.repetition import check_repeated
from serving.server.core.serving_error import ServingError, invalid, quote
from serving.server.lifecycle.models_config import ModelConfig, from_proto
from serving.server.requests.calls import Call, guarded
from serving.server.requests.handlers import Handlers, Target
from serving.server.requests.prometheus import Metrics
from serving.server.rpc.tensor_codec import decode, encode

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
_ELEMENT_BYTES = 4  # see `decode`: a tensor may be no larger than the largest message

Request = TypeVar("Request", bound=Message)


class GrpcApi:
    """The verbs as gRPC methods.

    Requests arrive as bytes and are parsed here, not by the library, so that bytes which are no
    message are answered with INVALID_ARGUMENT.

    Args:
        handlers: What answers.
        metrics: Where each request is noted.
        max_message_bytes: The size of the largest request.
        base_paths: The folders that models may be reloaded from, absolute and free of links; none
            where nothing may be reloaded.
    """

    def __init__(
        self,
        handlers: Handlers,
        metrics: Metrics,
        max_message_bytes: int,
        base_paths: Set[Path],
    ) -> None:
        self._handlers = handlers
        self._base_paths = base_paths
        self._metrics = metrics
        self._most_elements = max_message_bytes // _ELEMENT_BYTES

    def services(self) -> list[grpc.GenericRpcHandler]:
        """The services, ready for `grpc.Server.add_generic_rpc_handlers`."""
        metadata, status = get_model_metadata_pb2, get_model_status_pb2
        prediction = {
            "Predict": self._method("Predict", predict_pb2.PredictRequest, self._predict),
            "Classify": self._method(
                "Classify", classification_pb2.ClassificationRequest, self._classify
            ),
            "Regress": self._method("Regress", regression_pb2.RegressionRequest, self._regress),
            "MultiInference": self._method(
                "MultiInference", inference_pb2.MultiInferenceRequest, self._multi_inference
            ),
            "GetModelMetadata": self._method(
                "GetModelMetadata", metadata.GetModelMetadataRequest, self._metadata
            ),
        }
        model = {
            "GetModelStatus": self._method(
                "GetModelStatus", status.GetModelStatusRequest, self._status
            ),
            "HandleReloadConfigRequest": self._method(
                "HandleReloadConfigRequest", model_management_pb2.ReloadConfigRequest, self._reload
            ),
        }
        return [
            grpc.method_handlers_generic_handler(PREDICTION_SERVICE, prediction),
            grpc.method_handlers_generic_handler(MODEL_SERVICE, model),
        ]

    def _method(
        self, name: str, message: type[Request], answer: Callable[[Call, Request], Message]
    ) -> grpc.RpcMethodHandler:
        def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
            left = context.time_remaining()
            deadline = None if left is None else time.monotonic() + left
            call = Call(name, "GRPC", deadline)
            self._metrics.began(call)
            try:
                answered = guarded(
                    call, lambda: answer(call, _parse(message, data)).SerializeToString()
                )
            except ServingError as error:
                self._metrics.ended(call, error.code.name)
                context.abort(error.code, error.message)
            self._metrics.ended(call, "OK")
            return answered

        return grpc.unary_unary_rpc_method_handler(handle)

    def _predict(self, call: Call, request: predict_pb2.PredictRequest) -> Message:
        inputs = request.inputs

        def read(_: object) -> dict[str, np.ndarray]:
            return {name: decode(name, inputs[name], self._most_elements) for name in inputs}

        target, output_filter = _target(request.model_spec), list(request.output_filter)
        prediction = self._handlers.predict(call, target, read, output_filter)
        outputs = {name: encode(array) for name, array in prediction.outputs.items()}
        return predict_pb2.PredictResponse(model_spec=prediction.spec, outputs=outputs)

    def _classify(self, call: Call, request: classification_pb2.ClassificationRequest) -> Message:
        target, examples = _target(request.model_spec), _examples(request.input)
        spec, result = self._handlers.classify(call, target, examples)
        return classification_pb2.ClassificationResponse(model_spec=spec, result=result)

    def _regress(self, call: Call, request: regression_pb2.RegressionRequest) -> Message:
        target, examples = _target(request.model_spec), _examples(request.input)
        spec, result = self._handlers.regress(call, target, examples)
        return regression_pb2.RegressionResponse(model_spec=spec, result=result)

    def _multi_inference(self, call: Call, request: inference_pb2.MultiInferenceRequest) -> Message:
        tasks = [(each.method_name, _target(each.model_spec)) for each in request.tasks]
        response = inference_pb2.MultiInferenceResponse()
        for spec, result in self._handlers.multi_inference(call, tasks, _examples(request.input)):
            added = response.results.add(model_spec=spec)
            if isinstance(result, classification_pb2.ClassificationResult):
                added.classification_result.CopyFrom(result)
            else:
                added.regression_result.CopyFrom(result)
        return response

    def _metadata(
        self, call: Call, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> Message:
        target = _target(request.model_spec)
        return self._handlers.metadata(call, target, request.metadata_field)

    def _status(self, _: Call, request: get_model_status_pb2.GetModelStatusRequest) -> Message:
        return self._handlers.status(_target(request.model_spec))

    def _reload(self, _: Call, request: model_management_pb2.ReloadConfigRequest) -> Message:
        if not self._base_paths:
            raise ServingError(
                grpc.StatusCode.PERMISSION_DENIED,
                "this server takes no reloads: it was started for one folder. Start it with "
                "--models-config or --allow-reload.",
            )
        try:
            models = from_proto(request.config, "the request")
            for model in models:
                self._check_base_path(model)
            self._handlers.manager.reload(models)
        except ConfigError as error:
            raise invalid(str(error)) from None
        return model_management_pb2.ReloadConfigResponse()

    def _check_base_path(self, model: ModelConfig) -> None:
        """A SavedModel can read files: whoever may ask must not choose what is loaded."""
        if model.base_path.resolve() not in self._base_paths:
            raise ServingError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"model {model.name!r} has the base_path {quote(str(model.base_path))}, which the "
                "server was not started with. Add it to the models.config, and start it again.",
            )


def _parse(message: type[Request], data: bytes) -> Request:
    try:
        return message.FromString(data)
    except DecodeError:
        name = message.DESCRIPTOR.full_name
        raise invalid(
            f"the {len(data):,} bytes of the request are no {name}. Send a serialized message."
        ) from None


def _target(spec: model_pb2.ModelSpec) -> Target:
    choice = spec.WhichOneof("version_choice")
    return Target(
        spec.name,
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
        spec.signature_name,
    )


def _examples(sent: input_pb2.Input) -> np.ndarray:
    """The tf.Examples of a request, serialized. Bytes of a context in front of an Example are
    the two merged: that is how protocol buffers are defined.
    """
    kind = sent.WhichOneof("kind")
    if kind is None:
        raise invalid("the request's input is empty. Fill example_list.")
    listed = getattr(sent, kind)
    context = b""
    if kind == "example_list_with_context":
        context = listed.context.SerializeToString()
        check_repeated("the context", len(context), len(listed.examples))
        shared = set(listed.context.features.feature)
        _check_context(shared, (each.features.feature for each in listed.examples))
    if not listed.examples:
        raise invalid(f"the request's input.{kind} has no examples. Send at least one.")
    array = np.empty(len(listed.examples), object)
    array[:] = [context + each.SerializeToString() for each in listed.examples]
    return array


def _check_context(shared: set[str], examples: Iterable[Iterable[str]]) -> None:
    for number, example in enumerate(examples):
        for name in shared.intersection(example):
            raise invalid(
                f"feature {quote(name)} is in the context and in example {number}. "
                "Send it in one of them."
            )
