"""A client of TensorFlow Serving's API that imports no TensorFlow: gRPC, protobuf and NumPy.

It speaks to the local server and to `tensorflow_model_server` alike.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import DataError
from serving.client.answers import (
    Classes,
    Inference,
    VersionStatus,
    classes,
    values,
    version_statuses,
)
from serving.client.connection import Connection, EndpointError, Retries, Tls
from serving.client.given_tensors import given_tensors
from serving.client.known_signatures import KnownSignatures, from_file, from_metadata
from serving.client.protos import ProtoMessage, rpc
from serving.client.request_rows import Inputs, Row, rank_tensors, to_examples, to_tensors
from serving.client.tensor_protos import from_proto, to_proto
from serving.export_format import names

__all__ = ["Client", "EndpointError", "Retries", "Tls"]

_PREDICTION, _MODEL = "PredictionService", "ModelService"


class Client:
    """Asks one model of one server; may be used by several threads.

    Rows are mappings of raw column to value: text, a number, a list of them; None, or no such key,
    for what is missing. A deadline holds for a method with everything that it asks and repeats.

    Example:
        >>> with Client("127.0.0.1:8500", "mbcnet") as client:
        ...     client.score([{"user_id": "38", "item_id": "133"}])
        array([0.18], dtype=float32)

    Args:
        target: HOST:PORT of gRPC, or any other name that gRPC resolves.
        model: Name of the model.
        version: Number of the version; the server's choice, its latest, where it is None.
        label: Label of the version, instead of its number.
        timeout: Seconds that a method may take; each takes another one as `timeout`.
        retries: How calls are repeated that found the server unavailable or too busy.
        tls: Certificates; without encryption where it is None.
        signatures: An export's `assets.extra/signatures.json`; the server is asked without it.
        max_message_bytes: Largest answer that is taken.

    Raises:
        EndpointError: (every method) No answer within the deadline, or a refusal.
        DataError: (every method) Values that do not fit the signature.
    """

    def __init__(
        self,
        target: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 5.0,
        retries: Retries | None = None,
        tls: Tls | None = None,
        signatures: str | Path | None = None,
        max_message_bytes: int = 64 << 20,
    ) -> None:
        if version is not None and label is not None:
            raise DataError(
                f"the version is named twice, by number {version} and label {label!r}. Give one."
            )
        self.model = model
        self._version, self._label = version, label
        self._connection = Connection(target, timeout, retries or Retries(), tls, max_message_bytes)
        self._given = None if signatures is None else from_file(Path(signatures))
        self._asked: KnownSignatures | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection and cancels what runs."""
        self._connection.close()

    def score(
        self, rows: Sequence[Row], *, examples: bool = False, timeout: float | None = None
    ) -> np.ndarray:
        """Probabilities of raw rows, float32 (rows,).

        Args:
            rows: The rows, as `Client` says.
            examples: Send serialized tf.Examples, not tensors: dearer for the server, but
                TensorFlow Serving can batch them with those of other clients.
            timeout: Seconds.
        """
        deadline = self._connection.deadline(timeout)
        signature = names.SERVING_DEFAULT if examples else names.RAW_TENSORS
        if examples:
            inputs = self._examples(signature, rows, deadline)
        else:
            inputs = to_tensors(rows, self._inputs(signature, deadline))
        return self._predict(signature, inputs, (), deadline)[names.PROB]

    def branches(
        self, rows: Sequence[Row], *, timeout: float | None = None
    ) -> dict[str, np.ndarray]:
        """`prob`, and `prob_<branch>` and `weight_<branch>` of branches: float32 (rows,)."""
        deadline = self._connection.deadline(timeout)
        inputs = self._examples(names.BRANCHES, rows, deadline)
        return self._predict(names.BRANCHES, inputs, (), deadline)

    def rank(
        self, user: Row, candidates: Sequence[Row], *, timeout: float | None = None
    ) -> np.ndarray:
        """Probabilities of candidates for one user, float32 (candidates,).

        Args:
            user: Columns of the user, the history and the request.
            candidates: Columns of each candidate.
            timeout: Seconds.
        """
        deadline = self._connection.deadline(timeout)
        inputs = rank_tensors(user, candidates, self._inputs(names.RANK, deadline))
        return self._predict(names.RANK, inputs, (), deadline)[names.PROB]

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """The outputs of any signature; text comes back as bytes.

        Args:
            signature: Name of the signature.
            inputs: Arrays, or lists of what they hold, for every input of the signature.
            outputs: Names of the outputs to send back; all where there is none.
            timeout: Seconds.
        """
        deadline = self._connection.deadline(timeout)
        arrays = given_tensors(inputs, self._inputs(signature, deadline), signature)
        return self._predict(signature, arrays, outputs, deadline)

    def classify(
        self, rows: Sequence[Row], *, signature: str = names.CLASSIFY, timeout: float | None = None
    ) -> list[Classes]:
        """Of each row, its classes with their scores: [("0", 0.9), ("1", 0.1)]."""
        deadline = self._connection.deadline(timeout)
        request = self._request(_PREDICTION, "Classify", signature)
        self._fill(request, rows, deadline)
        return classes(self._send(_PREDICTION, "Classify", request, deadline).result)

    def regress(
        self, rows: Sequence[Row], *, signature: str = names.REGRESS, timeout: float | None = None
    ) -> np.ndarray:
        """The value of each row, float32 (rows,)."""
        deadline = self._connection.deadline(timeout)
        request = self._request(_PREDICTION, "Regress", signature)
        self._fill(request, rows, deadline)
        return values(self._send(_PREDICTION, "Regress", request, deadline).result)

    def multi_inference(
        self, rows: Sequence[Row], tasks: Mapping[str, str], *, timeout: float | None = None
    ) -> dict[str, Inference]:
        """Several of the two above in one call: signature -> what `classify` or `regress` gives.

        `tensorflow_model_server` refuses signatures that do not share one input tensor of the
        graph, and those of an export have their own: there, it takes one task at a time.

        Args:
            rows: The rows, as `Client` says.
            tasks: Signature -> "classify" or "regress".
            timeout: Seconds.
        """
        deadline = self._connection.deadline(timeout)
        request = rpc(_PREDICTION, "MultiInference")[1]()
        for signature, method in tasks.items():
            task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
            self._specify(task.model_spec, signature)
        self._fill(request, rows, deadline)
        results = self._send(_PREDICTION, "MultiInference", request, deadline).results
        return {
            each.model_spec.signature_name: (
                classes(each.classification_result)
                if each.HasField("classification_result")
                else values(each.regression_result)
            )
            for each in results
        }

    def metadata(self, *, timeout: float | None = None) -> KnownSignatures:
        """The signatures of the model, asked for anew, and its version."""
        self._asked = self._ask(self._connection.deadline(timeout))
        return self._asked

    def status(self, *, timeout: float | None = None) -> list[VersionStatus]:
        """The versions of the model that the server knows, latest first."""
        deadline = self._connection.deadline(timeout)
        request = self._request(_MODEL, "GetModelStatus")
        return version_statuses(self._send(_MODEL, "GetModelStatus", request, deadline))

    def call(
        self, method: str, request: ProtoMessage, *, timeout: float | None = None
    ) -> ProtoMessage:
        """Sends a request of PredictionService as it is; see `protos.message_class`."""
        return self._send(_PREDICTION, method, request, self._connection.deadline(timeout))

    def _ask(self, deadline: float) -> KnownSignatures:
        request = self._request(_PREDICTION, "GetModelMetadata")
        request.metadata_field.append("signature_def")
        return from_metadata(self._send(_PREDICTION, "GetModelMetadata", request, deadline))

    def _inputs(self, signature: str, deadline: float) -> Inputs:
        known = self._given or self._asked
        if known is None:
            known = self._asked = self._ask(deadline)
        return known[signature].inputs

    def _examples(
        self, signature: str, rows: Sequence[Row], deadline: float
    ) -> dict[str, np.ndarray]:
        examples = np.empty(len(rows), object)
        examples[:] = to_examples(rows, self._inputs(names.RAW_TENSORS, deadline))
        return {next(iter(self._inputs(signature, deadline))): examples}

    def _fill(self, request: ProtoMessage, rows: Sequence[Row], deadline: float) -> None:
        example_list = request.input.example_list
        for example in to_examples(rows, self._inputs(names.RAW_TENSORS, deadline)):
            example_list.examples.add().ParseFromString(example)

    def _predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        deadline: float,
    ) -> dict[str, np.ndarray]:
        request = self._request(_PREDICTION, "Predict", signature)
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(to_proto(array))
        request.output_filter.extend(outputs)
        answer = self._send(_PREDICTION, "Predict", request, deadline)
        return {name: from_proto(tensor) for name, tensor in sorted(answer.outputs.items())}

    def _request(self, service: str, method: str, signature: str = "") -> ProtoMessage:
        request = rpc(service, method)[1]()
        self._specify(request.model_spec, signature)
        return request

    def _specify(self, spec: ProtoMessage, signature: str) -> None:
        spec.name, spec.signature_name = self.model, signature
        if self._version is not None:
            spec.version.value = self._version
        if self._label is not None:
            spec.version_label = self._label

    def _send(
        self, service: str, method: str, request: ProtoMessage, deadline: float
    ) -> ProtoMessage:
        try:
            return self._connection.call(service, method, request, deadline)
        except EndpointError as error:
            if error.code == "INVALID_ARGUMENT":
                self._asked = None  # a new version may take other inputs: ask again next time
            raise
