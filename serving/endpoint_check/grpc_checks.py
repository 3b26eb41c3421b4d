"""What an endpoint is asked over gRPC."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from serving.client.answers import Inference
from serving.client.client import Client, EndpointError
from serving.client.protos import ProtoMessage, message_class
from serving.client.tensor_protos import to_proto
from serving.endpoint_check.check_cases import Case
from serving.endpoint_check.checking import (
    BAD_INPUT,
    NO_SUCH_MODEL,
    NO_SUCH_SIGNATURE,
    Check,
    refused,
)
from serving.endpoint_check.reference import DifferenceError, Reference, compare
from serving.export_format import names
from serving.export_format.signature_table import SignatureTable

_NO_SUCH = "no_such_name"


def grpc_checks(client: Client, reference: Reference) -> Iterator[Check]:
    """A name and a function each, as `checking.run` takes them."""
    table, cases = reference.table, reference.cases
    yield "status", partial(_status, client)
    yield "metadata", partial(_metadata, client, table)
    for signature in table:
        for case in cases:
            yield (
                f"{signature}, {case.name}",
                partial(_predict, client, reference, signature, case),
            )
    methods = [method for method in (names.CLASSIFY, names.REGRESS) if method in table]
    for case in (each for each in cases if each.rows):
        for method in methods:
            yield (
                f"{method.capitalize()}, {case.name}",
                partial(_infer, client, reference, method, case),
            )
    several = cases[1]
    for method in methods:
        yield (
            f"MultiInference of {method}",
            partial(_infer_many, client, reference, [method], several),
        )
    if len(methods) > 1:
        yield (
            f"MultiInference of {' and '.join(methods)}",
            partial(_infer_many_or_refused, client, reference, methods, several),
        )
    yield from _refusals(client, reference.inputs(names.RAW_TENSORS, cases[0]))
    yield (
        "1 row after all that",
        partial(_predict, client, reference, names.SERVING_DEFAULT, cases[0]),
    )


def _refusals(client: Client, inputs: dict[str, np.ndarray]) -> Iterator[Check]:
    """Requests that a server must refuse: made by hand, as the client would not send them."""
    first, *others = inputs
    garbage = {names.EXAMPLES: np.array([b"\xff\xff\xff"], object)}
    for name, codes, model, signature, given in (
        ("unknown signature", NO_SUCH_SIGNATURE, client.model, _NO_SUCH, inputs),
        ("unknown model", NO_SUCH_MODEL, _NO_SUCH, names.RAW_TENSORS, inputs),
        (
            "a missing input",
            BAD_INPUT,
            client.model,
            names.RAW_TENSORS,
            {key: inputs[key] for key in others},
        ),
        (
            "an input of another type",
            BAD_INPUT,
            client.model,
            names.RAW_TENSORS,
            {**inputs, first: np.array([True])},
        ),
        ("a tf.Example that is none", BAD_INPUT, client.model, names.SERVING_DEFAULT, garbage),
    ):
        request = _request(model, signature, given)
        yield name, refused(partial(client.call, "Predict", request), codes)


def _status(client: Client) -> str:
    available = [each.version for each in client.status() if each.state == "AVAILABLE"]
    if not available:
        raise DifferenceError("no version is AVAILABLE")
    return f"version {', '.join(map(str, available))} AVAILABLE"


def _metadata(client: Client, table: SignatureTable) -> str:
    known = client.metadata()
    if set(known.table) != set(table):
        raise DifferenceError(f"signatures {sorted(known.table)} instead of {sorted(table)}")
    for signature, template in table.items():
        for part in ("inputs", "outputs"):
            received = {
                name: (each.dtype, each.shape)
                for name, each in getattr(known[signature], part).items()
            }
            expected = {
                name: (each.dtype, each.shape) for name, each in getattr(template, part).items()
            }
            if received != expected:
                raise DifferenceError(f"{part} of {signature} are {received} instead of {expected}")
    return f"version {known.version}, {len(table)} signatures"


def _predict(client: Client, reference: Reference, signature: str, case: Case) -> str:
    inputs = reference.inputs(signature, case)
    return compare(client.predict(signature, inputs), reference.outputs(signature, inputs))


def _infer(client: Client, reference: Reference, method: str, case: Case) -> str:
    received = client.classify(case.rows) if method == names.CLASSIFY else client.regress(case.rows)
    return compare(_arrays(received), _expected(reference, method, case))


def _infer_many(client: Client, reference: Reference, methods: list[str], case: Case) -> str:
    received = client.multi_inference(case.rows, {method: method for method in methods})
    if set(received) != set(methods):
        raise DifferenceError(f"answers of {sorted(received)} instead of {methods}")
    return "; ".join(
        compare(_arrays(received[method]), _expected(reference, method, case)) for method in methods
    )


def _infer_many_or_refused(
    client: Client, reference: Reference, methods: list[str], case: Case
) -> str:
    try:
        return _infer_many(client, reference, methods, case)
    except EndpointError as error:
        # An export's signatures have an input of their own each.
        if error.code == "INVALID_ARGUMENT" and "must be the same for all" in str(error):
            return "refused, as TensorFlow Serving does without a common input tensor"
        raise


def _arrays(received: Inference) -> dict[str, np.ndarray]:
    """An answer of Classify or Regress in the form of the signature's outputs."""
    if isinstance(received, np.ndarray):
        return {names.OUTPUTS: received[:, np.newaxis]}
    pairs = [list(zip(*row, strict=True)) for row in received]
    labels, scores = zip(*pairs, strict=True) if pairs else ([], [])
    encoded = np.array([[label.encode() for label in row] for row in labels], object)
    return {names.CLASSES: encoded, names.SCORES: np.array(scores, np.float32)}


def _expected(reference: Reference, method: str, case: Case) -> dict[str, np.ndarray]:
    return reference.outputs(method, reference.inputs(method, case))


def _request(model: str, signature: str, inputs: dict[str, np.ndarray]) -> ProtoMessage:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(to_proto(array))
    return request
