"""TensorProtos as NumPy arrays and back, without a Python loop over the values."""

import math
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2

from serving.server.core.repetition import check_repeated
from serving.server.core.serving_error import invalid, quote

# The field that holds the values of a type where `tensor_content` does not.
_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int64: "int64_val",
    tf.int32: "int_val",
    tf.int16: "int_val",
    tf.int8: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
    tf.float16: "half_val",
    tf.bfloat16: "half_val",
}
_MOST_AXES = 32


class _Kind(NamedTuple):
    """How values of a type travel. Compared to a `tf.DType`, it costs nothing to look at."""

    name: str
    number: int
    field: str
    dtype: np.dtype
    is_string: bool
    as_bits: bool  # the field holds the 16 bits of each value


_KINDS = {
    dtype.as_datatype_enum: _Kind(
        dtype.name,
        dtype.as_datatype_enum,
        field,
        np.dtype(dtype.as_numpy_dtype),
        dtype == tf.string,
        field == "half_val",
    )
    for dtype, field in _FIELDS.items()
}
_STRING = _KINDS[tf.string.as_datatype_enum]
_BY_DTYPE = {kind.dtype: kind for kind in _KINDS.values()}


def decode(name: str, proto: tensor_pb2.TensorProto, most_elements: int) -> np.ndarray:
    """Reads a TensorProto as TensorFlow does: fewer values than elements repeat the last one.

    Departs from it: a tensor with elements and no values is refused, not read as zeros. Nearly
    always its values are in the field of another type.

    Args:
        name: Name of the input, for messages.
        proto: Values in `tensor_content` or in the field of their type.
        most_elements: A tensor may stand for no more elements than this: a shape alone can name
            terabytes in a few bytes.

    Returns:
        Strings as an object array of bytes. Numbers may share the memory of `proto` and then
        cannot be written to.

    Raises:
        ServingError: INVALID_ARGUMENT where the proto contradicts itself.
    """
    kind = _KINDS.get(proto.dtype) or _refuse(name, proto.dtype)
    shape = _shape(name, proto.tensor_shape, most_elements)
    count = math.prod(shape)
    if proto.tensor_content:
        return _from_content(name, proto.tensor_content, kind, shape)
    values = getattr(proto, kind.field)
    given = len(values)
    if given > count:
        raise invalid(
            f"input {quote(name)} has {given:,} values, but its shape {shape} has room for "
            f"{count:,}. Correct the shape."
        )
    if count and not given:
        raise invalid(
            f"input {quote(name)} has no {kind.name} values (`{kind.field}`), but its shape "
            f"{shape} announces {count:,}. Fill the field of the tensor's dtype."
        )
    array = _typed(name, values, kind)
    if given < count:
        if kind.is_string:
            check_repeated(f"input {quote(name)}", len(array[-1]), count)
        array = np.concatenate([array, np.repeat(array[-1:], count - given)])
    return array if len(shape) == 1 else array.reshape(shape)


def encode(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Writes an array in the fields of its type, as TensorFlow Serving answers: clients read
    `response.outputs["prob"].float_val`.
    """
    kind = _STRING if array.dtype.kind in "OSU" else _BY_DTYPE[array.dtype]
    proto = tensor_pb2.TensorProto(dtype=kind.number)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    values = (flat.view(np.uint16) if kind.as_bits else flat).tolist()
    if kind.is_string:
        values = [each if isinstance(each, bytes) else str(each).encode() for each in values]
    getattr(proto, kind.field).extend(values)
    return proto


def _refuse(name: str, number: int) -> NoReturn:
    try:
        received = f"tensor of {tf.as_dtype(number).name}"
    except TypeError:
        received = f"tensor of dtype {number}"
    raise invalid(
        f"input {quote(name)} is a {received}, which cannot be sent. "
        "Set the TensorProto's dtype to that of the signature's input."
    )


def _shape(
    name: str, proto: tensor_shape_pb2.TensorShapeProto, most_elements: int
) -> tuple[int, ...]:
    shape = tuple([dim.size for dim in proto.dim])
    if proto.unknown_rank or (shape and min(shape) < 0):
        raise invalid(
            f"input {quote(name)} has an open shape. Send the size of every axis of the tensor."
        )
    # Empty axes count as well: NumPy cannot hold 0 x 2^62 x 2^62.
    size = math.prod(shape) or math.prod([each or 1 for each in shape])
    if size > most_elements or len(shape) > _MOST_AXES:
        shown = f"{len(shape)} axes" if len(shape) > _MOST_AXES else f"shape {shape}"
        raise invalid(
            f"input {quote(name)} has {shown}: more than this server takes in one request. "
            f"Send at most {most_elements:,} elements."
        )
    return shape


def _from_content(name: str, content: bytes, kind: _Kind, shape: tuple[int, ...]) -> np.ndarray:
    if kind.is_string:
        raise invalid(
            f"input {quote(name)} holds strings in `tensor_content`. Send them in `string_val`."
        )
    expected = math.prod(shape) * kind.dtype.itemsize
    if len(content) != expected:
        raise invalid(
            f"input {quote(name)} has {len(content):,} bytes of `tensor_content`, but {kind.name} "
            f"of shape {shape} takes {expected:,}. Correct the dtype or the shape."
        )
    return np.frombuffer(content, kind.dtype).reshape(shape)


def _typed(name: str, values: Sequence, kind: _Kind) -> np.ndarray:
    if kind.is_string:
        array = np.empty(len(values), object)
        array[:] = values
        return array
    try:
        if kind.as_bits:
            return np.array(values, np.uint16).view(kind.dtype)
        return np.array(values, kind.dtype)
    except OverflowError:  # small integers travel in a wider field
        raise invalid(
            f"input {quote(name)} holds a value that is no {kind.name}. "
            "Correct the value, or the tensor's dtype."
        ) from None
