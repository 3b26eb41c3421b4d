"""NumPy arrays as TensorProtos and back, without TensorFlow."""

import math

import numpy as np

from features.errors import DataError
from serving.client.protos import ProtoMessage, message_class

# DataType -> NumPy type, and the field that holds values which are not in `tensor_content`.
_TYPES: dict[int, tuple[str, str]] = {
    1: ("float32", "float_val"),
    2: ("float64", "double_val"),
    3: ("int32", "int_val"),
    9: ("int64", "int64_val"),
    10: ("bool", "bool_val"),
}
_STRING = 7
_NUMBERS = {np.dtype(name): number for number, (name, _) in _TYPES.items()}
DTYPES = {**{number: name for number, (name, _) in _TYPES.items()}, _STRING: "string"}


def to_proto(array: np.ndarray) -> ProtoMessage:
    """A TensorProto; text becomes UTF-8.

    Raises:
        DataError: A type that the signatures of an export never have.
    """
    proto = message_class("tensorflow.TensorProto")()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype.kind in "OSU":
        proto.dtype = _STRING
        proto.string_val.extend(map(_bytes, array.ravel().tolist()))
    elif array.dtype in _NUMBERS:
        proto.dtype = _NUMBERS[array.dtype]
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        raise DataError(
            f"a tensor of {array.dtype} cannot be sent. Give text or one of "
            f"{', '.join(map(str, _NUMBERS))}."
        )
    return proto


def from_proto(proto: ProtoMessage) -> np.ndarray:
    """The array of a TensorProto; text stays bytes, in an array of objects.

    Raises:
        DataError: A type that the signatures of an export never have, or values that do not fill
            the shape.
    """
    shape = [each.size for each in proto.tensor_shape.dim]
    count = math.prod(shape)
    if proto.dtype == _STRING:
        values = np.array(list(proto.string_val), object)
    elif proto.dtype in _TYPES:
        dtype, field = _TYPES[proto.dtype]
        if proto.tensor_content:
            values = np.frombuffer(proto.tensor_content, dtype)
        else:
            values = np.array(getattr(proto, field), dtype)
            if 0 < len(values) < count:  # the last one stands for the rest
                values = np.concatenate([values, np.full(count - len(values), values[-1])])
    else:
        raise DataError(f"the answer has a tensor of data type {proto.dtype}, which is not known.")
    if len(values) != count:
        raise DataError(f"the answer has a tensor of {len(values)} values for shape {shape}.")
    return values.reshape(shape)


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise DataError(f"a tensor of text holds {value!r}. Give str or bytes.")
