"""A row from the page's form: checked field by field, then scored with every branch."""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import pyarrow as pa

from features.errors import did_you_mean
from features.raw import Reasons, coerce
from features.specs import FeatureSet, FeatureSpec
from serving.export_format import names
from serving.scoring.json_rows import json_column
from serving.scoring.signature_inputs import encode_examples
from serving.server.core.score_check import check_scores
from serving.server.core.serving_error import ServingError, quote
from serving.server.page.page_model import metadata_of


class RowError(ServingError):
    """A row that cannot be scored.

    Attributes:
        fields: Raw column -> what is wrong with its value. Empty where the row as a whole is.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, message)
        self.fields = dict(fields or {})


def score_row(manager: Any, name: str, version: int | None, row: Mapping[str, Any]) -> dict:
    """Scores one raw row, through the same limits and batching as other requests.

    Args:
        manager: A `serving.server.lifecycle.manager.ModelManager`.
        name: Name of the model.
        version: Version of the model; None for the latest.
        row: Raw column -> JSON value. What it leaves out is missing.

    Returns:
        {"version", "prob", "branches": [{"name", "prob", "weight"}]}. A branch's `prob` is None
        where the branch has no head of its own, its `weight` where the fusion does not weigh.

    Raises:
        RowError: The row does not fit the features of the model.
        ServingError: No such model or version, or the server is too busy.
    """
    with manager.use(name, version) as model:
        metadata = metadata_of(model)
        if metadata is None:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"model {quote(name)} was not exported by Concord, so its rows are not known. "
                "Send tensors over gRPC or REST instead.",
            )
        signature = names.SERVING_DEFAULT
        if names.BRANCHES in model.signatures:
            signature = names.BRANCHES
        examples = encode_examples(typed_row(row, metadata.features), metadata.features)
        inputs = {names.EXAMPLES: np.array(examples, dtype=object)}
        outputs = manager.run(model, signature, inputs)
        check_scores(outputs)
        return {"version": str(model.version), **_branches(outputs)}


def typed_row(row: Mapping[str, Any], features: FeatureSet) -> pa.RecordBatch:
    """One row of typed raw columns, as `features.raw.coerce` gives them.

    Raises:
        RowError: A column is not one of the features', or values do not fit: each is named.
    """
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    wrong = {
        name: f"no input feature reads a column {quote(name)}. {did_you_mean(name[:80], specs)}"
        for name in row
        if name not in specs
    }
    # A row for each column, which holds only that one: coerce tells one reason a row, and so
    # every mistake is told.
    _, reasons = _coerce([{name: row.get(name)} for name in specs], specs, features)
    wrong |= {list(specs)[index]: reason for index, reason in reasons.items()}
    typed, together = _coerce([row], specs, features)
    if together and not wrong:  # columns that fit, but not each other
        aligned = [name for names in features.aligned.values() for name in names]
        wrong = {name: together[0] for name in aligned if row.get(name)}
    if wrong:
        raise RowError(f"{next(iter(wrong.values())).rstrip('.')}. Correct the row.", wrong)
    return typed


def _coerce(
    rows: list[Mapping[str, Any]], specs: Mapping[str, FeatureSpec], features: FeatureSet
) -> tuple[pa.RecordBatch, Reasons]:
    columns: dict[str, pa.Array] = {}
    reasons: Reasons = {}
    for name, spec in specs.items():
        columns[name], more = json_column([row.get(name) for row in rows], spec)
        reasons = {**more, **reasons}
    typed, _, more = coerce(pa.RecordBatch.from_pydict(columns), features, roles=("input",))
    return typed, {**more, **reasons}


def _branches(outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
    branches = dict.fromkeys([*names.branches_of(outputs), *names.weighted_branches_of(outputs)])
    return {
        "prob": _number(outputs[names.PROB]),
        "branches": [
            {
                "name": branch,
                "prob": _number(outputs.get(names.branch_output(branch))),
                "weight": _number(outputs.get(names.weight_output(branch))),
            }
            for branch in branches
        ],
    }


def _number(values: np.ndarray | None) -> float | None:
    """The only value of an output; None where there is none, or JSON cannot say it."""
    return float(values[0]) if values is not None and np.isfinite(values[0]) else None
