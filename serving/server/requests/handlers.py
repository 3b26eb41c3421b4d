"""What the server answers, whichever protocol asks: arrays in, arrays and messages out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)

from serving.server.core.loaded_model import LoadedModel
from serving.server.core.score_check import check_scores
from serving.server.core.serving_error import ServingError, invalid, not_found, quote
from serving.server.core.validation import Signature, find_signature
from serving.server.lifecycle.manager import ModelManager
from serving.server.requests.calls import Call
from serving.server.requests.input_watch import InputWatch
from serving.server.requests.prometheus import Metrics

DEFAULT_SIGNATURE = "serving_default"
SIGNATURE_DEF = "signature_def"  # the one kind of metadata there is
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"


@dataclass(frozen=True)
class Target:
    """Which model a request is for: a version, or a label, or neither for the latest one."""

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


@dataclass(frozen=True)
class Prediction:
    """Outputs by name, and who computed them."""

    spec: model_pb2.ModelSpec
    outputs: dict[str, np.ndarray]


Reader = Callable[[Signature], Mapping[str, np.ndarray]]


class Handlers:
    """The verbs of TensorFlow Serving's API, without a protocol.

    Every method fills in its `Call` and raises `ServingError`s only for what is the client's or
    the model's fault.

    Args:
        manager: The models.
        metrics: Where the time of each run of a model is noted.
        watch: Counts the inputs of some requests; None leaves them alone.
    """

    def __init__(
        self, manager: ModelManager, metrics: Metrics, watch: InputWatch | None = None
    ) -> None:
        self.manager = manager
        self._metrics = metrics
        self._watch = watch

    def predict(
        self, call: Call, target: Target, read: Reader, outputs: Sequence[str] = ()
    ) -> Prediction:
        """Runs any signature.

        Args:
            call: The request's record, which is filled in.
            target: The model and the signature.
            read: Makes the inputs, once the signature is known.
            outputs: Names of the outputs to answer with; all where there is none.
        """
        if len(set(outputs)) < len(outputs):
            raise invalid("the output filter names an output twice. Name each output once.")
        with self._model(call, target) as model:
            signature = _find(call, model, target)
            values = self._run(call, model, signature, read(signature), outputs)
            return Prediction(_spec(model, signature), values)

    def classify(
        self, call: Call, target: Target, examples: np.ndarray
    ) -> tuple[model_pb2.ModelSpec, classification_pb2.ClassificationResult]:
        """Runs a signature of classes and scores on serialized tf.Examples."""
        with self._model(call, target) as model:
            return self._classify(call, model, target, examples)

    def regress(
        self, call: Call, target: Target, examples: np.ndarray
    ) -> tuple[model_pb2.ModelSpec, regression_pb2.RegressionResult]:
        """Runs a signature of one number a row on serialized tf.Examples."""
        with self._model(call, target) as model:
            return self._regress(call, model, target, examples)

    def multi_inference(
        self, call: Call, tasks: Sequence[tuple[str, Target]], examples: np.ndarray
    ) -> Iterator[
        tuple[
            model_pb2.ModelSpec,
            classification_pb2.ClassificationResult | regression_pb2.RegressionResult,
        ]
    ]:
        """Runs several signatures of one version on the same Examples.

        Args:
            call: The request's record, which is filled in.
            tasks: `CLASSIFY` or `REGRESS`, and its target, for each.
            examples: Serialized tf.Examples.
        """
        runs = {CLASSIFY: self._classify, REGRESS: self._regress}
        targets = [target for _, target in tasks]
        if not tasks:
            raise invalid("MultiInference without tasks. Give at least one.")
        if len({(each.name, each.version, each.label) for each in targets}) > 1:
            raise invalid(
                "the tasks of a MultiInference name several models or versions. Ask for one "
                "model and version, or make several calls."
            )
        if len({each.signature or DEFAULT_SIGNATURE for each in targets}) < len(targets):
            raise invalid("a MultiInference names a signature twice. Name each signature once.")
        for method, _ in tasks:
            if method not in runs:
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"MultiInference has no method {quote(method)}. Known: {CLASSIFY}, {REGRESS}.",
                )
        with self._model(call, targets[0]) as model:
            for method, target in tasks:
                yield runs[method](call, model, target, examples)

    def metadata(
        self, call: Call, target: Target, fields: Sequence[str]
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version, as its SavedModel describes them."""
        if list(fields) != [SIGNATURE_DEF]:
            received = ", ".join(quote(each) for each in fields) or "none"
            raise invalid(f"metadata_field must be {SIGNATURE_DEF!r}, received {received}.")
        with self._model(call, target) as model:
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.meta_graph)
            packed = any_pb2.Any()
            packed.Pack(signatures)
            spec = model_pb2.ModelSpec(name=model.name)
            spec.version.value = model.version
            return get_model_metadata_pb2.GetModelMetadataResponse(
                model_spec=spec, metadata={SIGNATURE_DEF: packed}
            )

    def status(self, target: Target) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of the versions of a model."""
        response = get_model_status_pb2.GetModelStatusResponse()
        _check_name(target)
        versions = self.manager.status(target.name, target.version, target.label)
        if not versions:
            raise not_found(f"model {quote(target.name)} has no such version.")
        for status in versions:
            added = response.model_version_status.add(version=status.version)
            added.state = get_model_status_pb2.ModelVersionStatus.State.Value(status.state)
            # TensorFlow's `error.Code` and gRPC share their numbers.
            added.status.error_code = status.code.value[0]
            added.status.error_message = status.message
        return response

    @contextmanager
    def _model(self, call: Call, target: Target) -> Iterator[LoadedModel]:
        _check_name(target)
        with self.manager.use(target.name, target.version, target.label) as model:
            call.model, call.version = model.name, str(model.version)
            yield model

    def _run(
        self,
        call: Call,
        model: LoadedModel,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        call.check_deadline()
        started = time.perf_counter()
        values = self.manager.run(model, signature.name, inputs, outputs)
        check_scores(values)
        self._metrics.ran(call, time.perf_counter() - started)
        if self._watch is not None:
            self._watch.note(model, signature.name, inputs)
        call.rows = max((len(each) for each in values.values() if each.ndim), default=0)
        return values

    def _classify(
        self, call: Call, model: LoadedModel, target: Target, examples: np.ndarray
    ) -> tuple[model_pb2.ModelSpec, classification_pb2.ClassificationResult]:
        signature = _find(call, model, target)
        _check_outputs(model, signature, "Classify", {_CLASSES, _SCORES}, _classifies)
        outputs = self._run(call, model, signature, {_INPUTS: examples})
        shape = next(iter(outputs.values())).shape  # one of the two may be absent
        scores = outputs.get(_SCORES, np.zeros(shape))
        labels = outputs.get(_CLASSES, np.full(shape, b"", object))
        result = classification_pb2.ClassificationResult()
        for row_labels, row_scores in zip(labels.tolist(), scores.tolist(), strict=True):
            classes = result.classifications.add().classes
            for label, score in zip(row_labels, row_scores, strict=True):
                classes.add(label=_text(label), score=score)
        return _spec(model, signature), result

    def _regress(
        self, call: Call, model: LoadedModel, target: Target, examples: np.ndarray
    ) -> tuple[model_pb2.ModelSpec, regression_pb2.RegressionResult]:
        signature = _find(call, model, target)
        _check_outputs(model, signature, "Regress", {_OUTPUTS}, _regresses)
        values = self._run(call, model, signature, {_INPUTS: examples})[_OUTPUTS]
        result = regression_pb2.RegressionResult()
        for value in values.reshape(len(examples)).tolist():
            result.regressions.add(value=value)
        return _spec(model, signature), result


def _check_name(target: Target) -> None:
    if not target.name:
        raise invalid("the request names no model. Set model_spec.name.")


def _find(call: Call, model: LoadedModel, target: Target) -> Signature:
    signature = find_signature(model.signatures, target.signature or DEFAULT_SIGNATURE)
    call.signature = signature.name
    return signature


def _spec(model: LoadedModel, signature: Signature) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=model.name, signature_name=signature.name)
    spec.version.value = model.version
    return spec


def _takes_examples(signature: Signature) -> bool:
    return list(signature.inputs) == [_INPUTS] and signature.inputs[_INPUTS].dtype == tf.string


def _classifies(signature: Signature) -> bool:
    outputs = set(signature.outputs)
    return _takes_examples(signature) and bool(outputs) and outputs <= {_CLASSES, _SCORES}


def _regresses(signature: Signature) -> bool:
    return _takes_examples(signature) and set(signature.outputs) == {_OUTPUTS}


def _check_outputs(
    model: LoadedModel,
    signature: Signature,
    verb: str,
    outputs: set[str],
    fits: Callable[[Signature], bool],
) -> None:
    if fits(signature):
        return
    known = ", ".join(name for name, each in model.signatures.items() if fits(each)) or "none"
    raise invalid(
        f"signature {signature.name!r} is not one for {verb}: it would have the input {_INPUTS!r} "
        f"(string) and the outputs {', '.join(sorted(outputs))}. Set signature_name; those that "
        f"fit: {known}."
    )


def _text(label: bytes | str) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else label
