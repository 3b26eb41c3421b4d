"""Which raw columns an export takes, and which of them are the user's or the candidates'."""

from collections.abc import Sequence

import pyarrow as pa

from features.errors import ExportError, did_you_mean
from features.specs import FeatureSet, FeatureSpec
from serving.export_format.signature_table import TensorTemplate

_MISSING: dict[str, str | int] = {
    "string": "",
    "float32": "NaN",
    "float64": "NaN",
    "int64": -(2**63),
}


def raw_columns(features: FeatureSet) -> dict[str, TensorTemplate]:
    """By raw column, its dense tensor: what `features.raw_tensors.dense_specs` says in TensorFlow.

    In the order of declaration; each column once, however many features read it.
    """
    columns = {}
    for spec in features.inputs:
        listed = pa.types.is_list(spec.raw_type)
        dtype = spec.tensor_type
        shape = (None, spec.dimension) if listed else (None,)  # lists of tokens: any length
        missing = 0.0 if spec.kind == "embedding" else _MISSING[dtype]
        columns[spec.raw_name] = TensorTemplate(dtype, shape, spec.raw_name, missing)
    return columns


def candidate_columns(
    features: FeatureSet, candidates: Sequence[str] | None = None
) -> frozenset[str]:
    """The raw columns that differ between the candidates of a request to `rank`.

    Args:
        features: The features.
        candidates: Names of the candidates' features. By default every input that is neither a
            sequence from a history nor reads the key of one: where a feature of the user is
            among them its value is repeated in every candidate, which is right but dearer.

    Raises:
        ExportError: A name is no input feature; what is read together would stand on both sides;
            or no feature is left on one of them.
    """
    if candidates is None:
        keys = {features.histories[spec.history].key for spec in features.inputs if spec.history}
        chosen = [
            spec for spec in features.inputs if not spec.history and spec.raw_name not in keys
        ]
    else:
        chosen = _named(features, candidates)
    columns = frozenset(spec.raw_name for spec in chosen)
    if candidates is not None:
        _refuse_both_sides(features, {spec.name for spec in chosen})
    return columns


def _named(features: FeatureSet, candidates: Sequence[str]) -> list[FeatureSpec]:
    inputs = {spec.name: spec for spec in features.inputs}
    for name in candidates:
        if name not in inputs:
            raise ExportError(
                f"export.candidates names {name!r}, which is no input feature. "
                f"{did_you_mean(name, inputs)}"
            )
    if not candidates or set(candidates) == set(inputs):
        raise ExportError(
            f"export.candidates names {'all' if candidates else 'none'} of the input features, so "
            "that one side of `rank` is empty. Name the features that differ between the "
            "candidates of one request, or leave the setting out."
        )
    return [inputs[name] for name in dict.fromkeys(candidates)]


def _refuse_both_sides(features: FeatureSet, candidates: set[str]) -> None:
    """Features of one raw column have one input, and steps of one history are aligned."""
    first: dict[tuple[str, str], FeatureSpec] = {}
    for spec in features.inputs:
        shared = [("column", spec.raw_name)]
        if spec.history:
            shared.append(("history", spec.history))
        for what, name in shared:
            other = first.setdefault((what, name), spec)
            if (other.name in candidates) != (spec.name in candidates):
                raise ExportError(
                    f"export.candidates parts features {other.name!r} and {spec.name!r}, which "
                    f"both come from {what} {name!r}. Name both of them or neither."
                )
