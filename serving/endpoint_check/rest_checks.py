"""What an endpoint is asked over REST."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from serving.client import rest as rest_api
from serving.client.rest import Rest
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


def rest_checks(rest: Rest, reference: Reference) -> Iterator[Check]:
    """A name and a function each, as `checking.run` takes them."""
    # JSON has no shape [0, n]: no rows can be sent by gRPC only.
    cases = [case for case in reference.cases if case.rows]
    yield "status", partial(_status, rest)
    yield "metadata", partial(_metadata, rest, reference.table)
    for signature in reference.table:
        for case in cases:
            yield (
                f"{signature} in columns, {case.name}",
                partial(_columns, rest, reference, signature, case),
            )
            if signature != names.RANK:  # its inputs have different numbers of rows
                yield (
                    f"{signature} in rows, {case.name}",
                    partial(_rows, rest, reference, signature, case),
                )
    for method in (names.CLASSIFY, names.REGRESS):
        for case in cases if method in reference.table else ():
            yield (
                f"{method}, {case.name}",
                partial(_infer, rest, reference, method, case),
            )
    for name, codes, ask in (
        (
            "unknown signature",
            NO_SUCH_SIGNATURE,
            lambda: rest.post("predict", _body("no_such_name", [1.0])),
        ),
        (
            "a missing input",
            BAD_INPUT,
            lambda: rest.post("predict", _body(names.RAW_TENSORS, [{}])),
        ),
        (
            "unknown model",
            NO_SUCH_MODEL,
            lambda: rest.of_model("no_such_name").get("/metadata"),
        ),
    ):
        yield name, refused(ask, codes)
    yield "1 row after all that", partial(_rows, rest, reference, names.SERVING_DEFAULT, cases[0])


def _status(rest: Rest) -> str:
    statuses = rest.get()["model_version_status"]
    available = [each["version"] for each in statuses if each["state"] == "AVAILABLE"]
    if not available:
        raise DifferenceError("no version is AVAILABLE")
    return f"version {', '.join(available)} AVAILABLE"


def _metadata(rest: Rest, table: SignatureTable) -> str:
    signatures = rest.get("/metadata")["metadata"]["signature_def"]["signature_def"]
    if not set(table) <= set(signatures):
        raise DifferenceError(f"signatures {sorted(signatures)} instead of {sorted(table)}")
    for signature, template in table.items():
        for part in ("inputs", "outputs"):
            if set(signatures[signature][part]) != set(getattr(template, part)):
                raise DifferenceError(
                    f"{part} of {signature} are {sorted(signatures[signature][part])}"
                )
    return f"{len(table)} signatures"


def _columns(rest: Rest, reference: Reference, signature: str, case: Case) -> str:
    inputs = reference.inputs(signature, case)
    body = {"signature_name": signature, "inputs": rest_api.columns(inputs)}
    answer = rest_api.outputs_of_columns(
        rest.post("predict", body), reference.table[signature].outputs
    )
    return compare(answer, reference.outputs(signature, inputs))


def _rows(rest: Rest, reference: Reference, signature: str, case: Case) -> str:
    inputs = reference.inputs(signature, case)
    body = _body(signature, rest_api.instances(inputs))
    answer = rest_api.outputs_of_instances(
        rest.post("predict", body), reference.table[signature].outputs
    )
    return compare(answer, reference.outputs(signature, inputs))


def _infer(rest: Rest, reference: Reference, method: str, case: Case) -> str:
    examples = list(map(rest_api.example, case.rows))
    result = rest.post(method, {"signature_name": method, "examples": examples})["results"]
    if method == names.REGRESS:
        received = {names.OUTPUTS: np.array(result, np.float32)[:, np.newaxis]}
    else:
        labels = [[label.encode() for label, _ in row] for row in result]
        scores = [[score for _, score in row] for row in result]
        received = {
            names.CLASSES: np.array(labels, object),
            names.SCORES: np.array(scores, np.float32),
        }
    return compare(received, reference.outputs(method, reference.inputs(method, case)))


def _body(signature: str, instances: list) -> dict:
    return {"signature_name": signature, "instances": instances}
