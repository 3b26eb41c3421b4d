"""What a signature takes, and messages that name the input which does not fit it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import grpc
import numpy as np
import tensorflow as tf

from features.errors import did_you_mean
from serving.server.core.serving_error import ServingError, invalid, quote

_MOST_NAMES = 20


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes:
        name: Name of the tensor in the graph, such as `serving_default_examples:0`.
        dtype: Type of the elements.
        shape: A size an axis, None where any size will do; None where the rank is open too.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    @property
    def batched(self) -> bool:
        """Whether the first axis counts rows, however many."""
        return self.shape is not None and self.shape[:1] == (None,)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:  # REST asks for it with every input of every request
        if self.shape is None:
            return f"{self.dtype.name} of any shape"
        axes = [str(size) if size is not None else "any" for size in self.shape]
        if self.batched:
            axes[0] = "batch"
        return f"{self.dtype.name}, shape ({', '.join(axes)}{',' if len(axes) == 1 else ''})"


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Attributes:
        name: Key among the signatures of the model, such as `serving_default`.
        method_name: What TensorFlow Serving calls its kind, such as `tensorflow/serving/predict`.
        inputs: What must be fed, by name.
        outputs: What comes out, by name.
    """

    name: str
    method_name: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """The signature of that name.

    Raises:
        ServingError: FAILED_PRECONDITION, as TensorFlow Serving answers, where there is none.
    """
    if name not in signatures:
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the model has no signature {quote(name)}. {did_you_mean(name[:80], signatures)}",
        )
    return signatures[name]


def check_outputs(signature: Signature, outputs: Sequence[str]) -> None:
    """Refuses names that are no outputs of the signature."""
    for name in outputs:
        if name not in signature.outputs:
            raise invalid(
                f"signature {signature.name!r} has no output {quote(name)}. "
                f"{did_you_mean(name[:80], signature.outputs)}"
            )


def check_inputs(
    signature: Signature, inputs: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], int]:
    """Refuses inputs that the signature cannot take.

    Inputs whose declared first axis is open must all have the same number of rows; where it is
    declared as 1, such as the user's side of `rank`, it must be 1.

    Returns:
        The inputs as arrays of the declared dtypes, in the signature's order, and the number of
        rows: 1 where no input has an open first axis.

    Raises:
        ServingError: INVALID_ARGUMENT; its message names the input and what was expected.
    """
    for name in inputs:
        if name not in signature.inputs:
            raise invalid(
                f"signature {signature.name!r} has no input {quote(name)}. "
                f"{did_you_mean(name[:80], signature.inputs)}"
            )
    arrays: dict[str, np.ndarray] = {}
    rows, first = 1, None
    for name, info in signature.inputs.items():
        if name not in inputs:
            raise invalid(
                f"signature {signature.name!r} is missing input {name!r} ({info}). "
                f"Received: {_listed(inputs)}."
            )
        array = arrays[name] = _typed(signature, name, info, inputs[name])
        _check_shape(signature, name, info, array)
        if info.batched:
            if first is None:
                rows, first = array.shape[0], name
            elif array.shape[0] != rows:
                raise invalid(
                    f"signature {signature.name!r}: input {name!r} has {array.shape[0]:,} rows, "
                    f"but input {first!r} has {rows:,}. Give every input the same number of rows."
                )
    return arrays, rows


def check_texts(signature: Signature, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses objects that are no strings. Called when a run has failed, to name the input.

    Looking at each element before every run would cost a quarter of it, and TensorFlow refuses
    them itself, but without saying whose they are.
    """
    for name, array in arrays.items():
        if array.dtype.kind != "O":
            continue
        for value in array.flat:
            if isinstance(value, str):
                try:
                    value.encode()
                except UnicodeEncodeError as error:
                    raise invalid(
                        f"signature {signature.name!r}: input {name!r} holds text that has no "
                        f"UTF-8 form: {error.reason}. Send Unicode text, or bytes."
                    ) from None
            elif not isinstance(value, bytes):
                raise invalid(
                    f"signature {signature.name!r}: input {name!r} must be string, received "
                    f"{type(value).__name__} in it. Send {signature.inputs[name]}."
                )


def _typed(signature: Signature, name: str, info: TensorInfo, value: np.ndarray) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if info.dtype == tf.string:
        if array.dtype.kind == "O":
            return array
        if array.dtype.kind in "SU":
            return array.astype(object)
    elif array.dtype == info.dtype.as_numpy_dtype:
        return array
    received = "objects" if array.dtype.kind == "O" else array.dtype.name
    raise invalid(
        f"signature {signature.name!r}: input {name!r} must be {info.dtype.name}, received "
        f"{received}. Send {info}."
    )


def _check_shape(signature: Signature, name: str, info: TensorInfo, array: np.ndarray) -> None:
    shape = info.shape
    if shape is None:
        return
    if len(array.shape) == len(shape) and all(
        expected is None or size == expected
        for size, expected in zip(array.shape, shape, strict=True)
    ):
        return
    raise invalid(
        f"signature {signature.name!r}: input {name!r} must be {info}, received shape "
        f"{array.shape}. {_hint(shape, array)}"
    )


def _hint(shape: tuple[int | None, ...], array: np.ndarray) -> str:
    if shape[:1] == (1,) and array.ndim == len(shape):
        return "Send exactly one row of it."
    if array.ndim != len(shape):
        return f"Send {len(shape)} axes, not {array.ndim}."
    return "Correct the sizes of its axes."


def _listed(names: Mapping[str, object]) -> str:
    shown = [quote(each) for each in sorted(names)[:_MOST_NAMES]]
    more = len(names) - len(shown)
    return f"[{', '.join(shown)}{f', and {more:,} more' if more > 0 else ''}]"
