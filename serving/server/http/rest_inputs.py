"""The inputs of a REST prediction: JSON in rows or in columns, as arrays of the signature."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from features.errors import did_you_mean
from serving.server.core.serving_error import ServingError, invalid, quote
from serving.server.core.validation import Signature, TensorInfo
from serving.server.http.rest_json import decode_bytes, encode_text, is_bytes, kind_of, shown

INSTANCES, INPUTS = "instances", "inputs"
_EXPECTED = {"f": "a number, NaN where it is missing", "b": "true or false"}
_TYPES: dict[str, set[type]] = {"f": {int, float}, "b": {bool}, "i": {int}, "u": {int}}


def in_rows(body: Mapping[str, Any]) -> bool:
    """Whether a request is in row format.

    Raises:
        ServingError: It is in neither format, or in both.
    """
    if (INSTANCES in body) == (INPUTS in body):
        received = "both" if INPUTS in body else "neither"
        raise invalid(
            f'the body has {received} of "{INSTANCES}" and "{INPUTS}". Send rows in '
            f'"{INSTANCES}" or columns in "{INPUTS}".'
        )
    return INSTANCES in body


def read_inputs(body: Mapping[str, Any], signature: Signature) -> dict[str, np.ndarray]:
    """An array for each input of the signature.

    Strings are text, or {"b64": ...}; numbers may be NaN and Infinity where the input is a float;
    null is nothing.

    Raises:
        ServingError: Something is missing or does not fit; the message names the input.
    """
    columns = (
        _columns_of_rows(body[INSTANCES], signature)
        if in_rows(body)
        else _columns(body[INPUTS], signature)
    )
    return {
        name: _array(f"input {name!r} ({info})", columns[name], info)
        for name, info in signature.inputs.items()
    }


def _columns(value: object, signature: Signature) -> dict[str, Any]:
    if isinstance(value, dict) and not is_bytes(value):
        _check_names(value, signature, "")
        return value
    return {_only_input(signature, INPUTS): value}


def _columns_of_rows(rows: object, signature: Signature) -> dict[str, list]:
    if not isinstance(rows, list) or not rows:
        received = "empty" if rows == [] else kind_of(rows)
        raise invalid(f'"{INSTANCES}" is {received}, expected a list of at least one row.')
    named = [isinstance(row, dict) and not is_bytes(row) for row in rows]
    if not any(named):
        return {_only_input(signature, INSTANCES): rows}
    if not all(named):
        number = named.index(not named[0])
        raise invalid(
            f'"{INSTANCES}" mixes objects and plain values: row {number} is '
            f"{kind_of(rows[number])}, row 0 {kind_of(rows[0])}. Send all rows in one form."
        )
    for number, row in enumerate(rows):
        if row.keys() != signature.inputs.keys():
            _check_names(row, signature, f" in row {number}")
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _check_names(given: Mapping[str, Any], signature: Signature, where: str) -> None:
    for name in given:
        if name not in signature.inputs:
            raise invalid(
                f"signature {signature.name!r} has no input {quote(name)}{where}. "
                f"{did_you_mean(name[:80], signature.inputs)}"
            )
    for name, info in signature.inputs.items():
        if name not in given:
            raise invalid(
                f"signature {signature.name!r} is missing input {name!r} ({info}){where}. "
                "Send every input."
            )


def _only_input(signature: Signature, key: str) -> str:
    if len(signature.inputs) != 1:
        raise invalid(
            f"signature {signature.name!r} has {len(signature.inputs)} inputs, but "
            f'"{key}" holds plain values. Send objects with the keys '
            f"{', '.join(signature.inputs)}."
        )
    return next(iter(signature.inputs))


def _array(where: str, value: object, info: TensorInfo) -> np.ndarray:
    rank = _nesting(value) if info.shape is None else len(info.shape)
    values, shape = _flattened(where, value, rank)
    if 0 in shape and info.shape is not None:  # an empty list does not tell the axes behind it
        behind = [size or 0 for size in info.shape[len(shape) :]]
        shape = [*shape, *behind]
    dtype = info.dtype
    if dtype == tf.string:
        array = np.empty(len(values), object)
        array[:] = _strings(where, values)
    else:
        array = _numbers(where, values, dtype)
    return array.reshape(shape)


def _nesting(value: Any) -> int:
    rank = 0
    while isinstance(value, list):
        rank, value = rank + 1, value[0] if value else None
    return rank


def _flattened(where: str, value: Any, rank: int) -> tuple[list, list[int]]:
    """The values of a nested list, and the size of each of its axes."""
    level: list[Any] = [value]
    shape: list[int] = []
    for axis in range(rank):
        if not level:
            return [], shape
        if set(map(type, level)) != {list}:
            odd = next(each for each in level if type(each) is not list)
            raise invalid(
                f"{where}: found {shown(odd)} inside {axis} lists, expected a list. "
                f"Nest the values in {rank} lists."
            )
        sizes = sorted(set(map(len, level)))
        if len(sizes) > 1:
            raise invalid(
                f"{where}: lists of axis {axis} have {sizes[0]:,} to {sizes[-1]:,} values. Send "
                "lists of one length; what stands for missing fills up the shorter ones."
            )
        shape.append(sizes[0])
        level = list(chain.from_iterable(level))
    return level, shape


def _strings(where: str, values: list) -> list[bytes]:
    kinds = set(map(type, values))
    if kinds <= {str}:
        try:
            return [each.encode() for each in values]
        except UnicodeEncodeError:
            pass  # the slower way finds the value
    return [_bytes_of(where, each) for each in values]


def _bytes_of(where: str, value: Any) -> bytes:
    if isinstance(value, str):
        return encode_text(value, where)
    if is_bytes(value):
        return decode_bytes(value, where)
    raise _unexpected(where, value, 'a string, or {"b64": ...}, "" where it is missing')


def _numbers(where: str, values: list, dtype: tf.DType) -> np.ndarray:
    kind = "f" if dtype.is_floating else np.dtype(dtype.as_numpy_dtype).kind
    expected = _EXPECTED.get(kind, "a whole number")
    if kind not in _TYPES:
        raise invalid(f"{where}: {dtype.name} cannot be sent as JSON. Use gRPC.")
    fits = _TYPES[kind]
    if not set(map(type, values)) <= fits:
        odd = next(each for each in values if type(each) not in fits)
        raise _unexpected(where, odd, expected)
    try:
        if kind != "f":
            return np.array(values, dtype.as_numpy_dtype)
        wide = np.array(values, np.float64)
        with np.errstate(over="ignore"):
            array = wide.astype(dtype.as_numpy_dtype)
    except OverflowError:
        raise _too_large(where, values, dtype, lambda each: _overflows(each, dtype)) from None
    if not np.array_equal(np.isinf(array), np.isinf(wide)):
        raise _too_large(where, values, dtype, lambda each: abs(each) > float(dtype.max))
    return array


def _overflows(value: int | float, dtype: tf.DType) -> bool:
    try:
        np.array(value, np.float64 if dtype.is_floating else dtype.as_numpy_dtype)
    except OverflowError:
        return True
    return False


def _too_large(
    where: str, values: list, dtype: tf.DType, is_it: Callable[[Any], bool]
) -> ServingError:
    value = next((each for each in values if is_it(each)), values[0])
    return invalid(f"{where}: {shown(value)} does not fit into {dtype.name}. Send a smaller value.")


def _unexpected(where: str, value: object, expected: str) -> ServingError:
    return invalid(f"{where}: found {shown(value)}, expected {expected}.")
