"""The bodies of request.sh: one question for each way to ask a server, with rows of the export."""

import json
from collections.abc import Mapping
from typing import Any

from serving.client import rest
from serving.client.export_folder import ExportFolder
from serving.client.request_rows import Row
from serving.endpoint_check.check_cases import Case, arrays
from serving.export_format import names

_CANDIDATES = 3


def questions(export: ExportFolder) -> dict[str, tuple[str, Any]]:
    """Name of the question -> verb of the API and JSON of the request, for what the export has."""
    complete = max(export.rows, key=_values)  # a number that is missing would be NaN, not JSON
    case, table = Case("", (complete,)), export.signatures
    requests: dict[str, tuple[str, Any]] = {}
    for question, signature in (
        ("predict", names.RAW_TENSORS),
        ("predict_examples", names.SERVING_DEFAULT),
        ("branches", names.BRANCHES),
    ):
        if signature in table:
            inputs = rest.instances(arrays(signature, case, table))
            requests[question] = "predict", {"signature_name": signature, "instances": inputs}
    for method in (names.CLASSIFY, names.REGRESS):
        if method in table:
            body = {"signature_name": method, "examples": [rest.example(complete)]}
            requests[method] = method, body
    if names.RANK in table:
        rows = (complete, *(row for row in export.rows if row is not complete))[:_CANDIDATES]
        columns = rest.columns(arrays(names.RANK, Case("", rows), table))
        requests["rank"] = "predict", {"signature_name": names.RANK, "inputs": columns}
    return requests


def functions(requests: Mapping[str, tuple[str, Any]]) -> str:
    """Shell functions that ask them."""
    return "".join(
        f"\n{name}() {{\n  post {verb} <<'JSON'\n{json.dumps(body, ensure_ascii=False)}\nJSON\n}}\n"
        for name, (verb, body) in requests.items()
    )


def _values(row: Row) -> int:
    return sum(value is not None for value in row.values())
