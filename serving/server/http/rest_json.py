"""JSON of the REST API: strict where a mistake would be scored in silence, else as in Python."""

import base64
import binascii
import json
from typing import Any

import numpy as np

from serving.server.core.serving_error import invalid, quote

B64 = "b64"
_BYTES_SUFFIX = "_bytes"  # outputs so named hold bytes, not text
_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    type(None): "null",
}


class _RepeatedKeyError(ValueError):
    """An object names a key twice."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads the body of a request.

    NaN, Infinity and -Infinity are numbers, as in TensorFlow Serving.

    Raises:
        ServingError: It is no JSON object in UTF-8, names a key twice, or is nested too deeply.
    """
    try:
        parsed = json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except _RepeatedKeyError as error:
        raise invalid(f"the body names the key {error} twice in one object. Remove one.") from None
    except UnicodeDecodeError as error:
        raise invalid(f"the body is not UTF-8: {error}. Send JSON in UTF-8.") from None
    except RecursionError:
        raise invalid("the body is nested too deeply. Send tensors of a few axes.") from None
    except ValueError as error:
        raise invalid(f"the body is not JSON: {error}. Send a JSON object.") from None
    if not isinstance(parsed, dict):
        raise invalid(f"the body is {kind_of(parsed)}, expected a JSON object.")
    return parsed


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    return _NAMES.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """A JSON value for a message: short, however long it is."""
    if value is None or isinstance(value, (list, dict)):
        return kind_of(value)
    if isinstance(value, int) and value.bit_length() > 200:
        return "a whole number of many digits"
    return f"{quote(value)} ({kind_of(value)})"


def is_bytes(value: object) -> bool:
    """Whether it is {"b64": "..."}: bytes that are no text."""
    return isinstance(value, dict) and list(value) == [B64]


def decode_bytes(value: dict[str, Any], where: str) -> bytes:
    """The bytes of {"b64": "..."}; padding may be left out.

    Raises:
        ServingError: It is not base64; the message begins with `where`.
    """
    text = value[B64]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise invalid(
            f'{where} holds {{"b64": {quote(text)}}}, which is not base64. Encode the bytes again.'
        ) from None


def encode_text(value: str, where: str) -> bytes:
    """A string as UTF-8.

    Raises:
        ServingError: It holds half of a surrogate pair; the message begins with `where`.
    """
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise invalid(
            f"{where} holds {quote(value)}, which is no text: half of a surrogate pair. "
            'Send bytes as {"b64": ...}.'
        ) from None


def rows_json(outputs: dict[str, np.ndarray]) -> str:
    """{"predictions": [...]}: a value a row, or an object a row where there are several outputs.

    Raises:
        ServingError: The outputs have no rows, or not the same number of them.
    """
    sizes = {name: len(each) if each.ndim else None for name, each in outputs.items()}
    if None in sizes.values() or len(set(sizes.values())) != 1:
        raise invalid(
            f"the outputs {', '.join(sizes)} do not have one value a row. "
            'Ask in columns: "inputs" in place of "instances".'
        )
    cells = {name: _cells(name, each) for name, each in outputs.items()}
    if len(cells) == 1:
        (rows,) = cells.values()
    else:
        keys = [json.dumps(name) for name in cells]
        rows = [
            f"{{{', '.join(f'{key}: {cell}' for key, cell in zip(keys, row, strict=True))}}}"
            for row in zip(*cells.values(), strict=True)
        ]
    return f'{{"predictions": [{", ".join(rows)}]}}'


def columns_json(outputs: dict[str, np.ndarray]) -> str:
    """{"outputs": ...}: a tensor, or an object of tensors where there are several outputs."""
    tensors = {name: _tensor(name, each) for name, each in outputs.items()}
    if len(tensors) == 1:
        (value,) = tensors.values()
    else:
        value = f"{{{', '.join(f'{json.dumps(name)}: {each}' for name, each in tensors.items())}}}"
    return f'{{"outputs": {value}}}'


def number_json(value: np.floating) -> str:
    """The shortest decimal that is read back as the same number; NaN and Infinity as such."""
    if np.isfinite(value):
        return str(value)
    return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _tensor(name: str, array: np.ndarray) -> str:
    if array.ndim:
        return f"[{', '.join(_cells(name, array))}]"
    return _cells(name, array[np.newaxis])[0]


def _cells(name: str, array: np.ndarray) -> list[str]:
    """The JSON of each element of the first axis."""
    if array.ndim > 1:
        return [f"[{', '.join(_cells(name, each))}]" for each in array]
    if array.dtype.kind in "OSU":
        return [_string_json(name, each) for each in array.tolist()]
    if array.dtype.kind in "biu":
        return [json.dumps(each) for each in array.tolist()]
    if array.dtype not in (np.float32, np.float64):  # float16 and bfloat16
        array = array.astype(np.float32)
    if np.isfinite(array).all():
        return [str(each) for each in array]
    return [number_json(each) for each in array]


def _string_json(name: str, value: bytes | str) -> str:
    data = value if isinstance(value, bytes) else str(value).encode()
    if not name.endswith(_BYTES_SUFFIX):
        try:
            return json.dumps(data.decode())
        except UnicodeDecodeError:
            pass  # no text: only base64 can hold it
    return json.dumps({B64: base64.b64encode(data).decode()})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_name = dict(pairs)
    if len(by_name) < len(pairs):
        before: set[str] = set()
        for name, _ in pairs:
            if name in before:
                raise _RepeatedKeyError(quote(name))
            before.add(name)
    return by_name
