"""The tf.Examples of a REST classification or regression: JSON objects, serialized."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2

from serving.server.core.repetition import check_repeated
from serving.server.core.serving_error import invalid, quote
from serving.server.http.rest_json import decode_bytes, encode_text, is_bytes, kind_of, shown

EXAMPLES, CONTEXT = "examples", "context"
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def read_examples(body: Mapping[str, Any]) -> np.ndarray:
    """Serialized Examples, the features of the context in each of them.

    Strings and {"b64": ...} become bytes, whole numbers and booleans int64, decimals float32. A
    feature that is missing is left out.

    Raises:
        ServingError: A value is none of these; the message names the feature.
    """
    examples = body.get(EXAMPLES)
    if not isinstance(examples, list) or not examples:
        received = "missing" if EXAMPLES not in body else kind_of(examples)
        received = "empty" if examples == [] else received
        raise invalid(f'"{EXAMPLES}" is {received}, expected a list of at least one object.')
    context = body.get(CONTEXT, {})
    shared = _serialized(context, f'"{CONTEXT}"')
    check_repeated("the context", len(shared), len(examples))
    array = np.empty(len(examples), object)
    for number, features in enumerate(examples):
        serialized = _serialized(features, f"example {number}")
        for name in context.keys() & features.keys():
            raise invalid(
                f'feature {quote(name)} is in "{CONTEXT}" and in example {number}. '
                "Send it in one of them."
            )
        array[number] = shared + serialized  # one message behind the other is the two merged
    return array


def _serialized(features: object, where: str) -> bytes:
    if not isinstance(features, dict):
        raise invalid(f"{where} is {kind_of(features)}, expected an object of features.")
    example = example_pb2.Example()
    for name, value in features.items():
        at = f"{where}, feature {quote(name)}"
        key = encode_text(name, where).decode()
        values = value if isinstance(value, list) else [value]
        _fill(example.features.feature[key], values, at)
    return example.SerializeToString(deterministic=True)


def _fill(feature: feature_pb2.Feature, values: list, where: str) -> None:
    kinds = set(map(type, values))
    if not kinds:
        return
    if kinds == {float}:
        for value in values:
            if _FLOAT32_MAX < abs(value) < float("inf"):
                raise invalid(f"{where}: {value!r} does not fit into float32.")
        feature.float_list.value.extend(values)
    elif kinds <= {int, bool}:
        for value in values:
            if not -(2**63) <= value < 2**63:
                raise invalid(f"{where}: {shown(value)} does not fit into int64.")
        feature.int64_list.value.extend(map(int, values))
    elif all(isinstance(each, str) or is_bytes(each) for each in values):
        feature.bytes_list.value.extend(
            encode_text(each, where) if isinstance(each, str) else decode_bytes(each, where)
            for each in values
        )
    else:
        _refuse(values, where)


def _refuse(values: list, where: str) -> None:
    for value in values:
        if not (isinstance(value, (str, int, float)) or is_bytes(value)):
            raise invalid(
                f"{where}: found {shown(value)}, expected a string, a number, "
                '{"b64": ...}, or a list of these. Leave out a feature that is missing.'
            )
    first, other = values[0], next(each for each in values if type(each) is not type(values[0]))
    raise invalid(
        f"{where} mixes {kind_of(first)} and {kind_of(other)}. Write all values in one form: "
        "numbers with a decimal point are floats, others int64."
    )
