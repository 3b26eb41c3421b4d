"""Arrays that a caller gives for the inputs of a signature, in their types and shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from features.errors import DataError, did_you_mean
from serving.export_format.signature_table import TensorTemplate


def given_tensors(
    given: Mapping[str, Any], inputs: Mapping[str, TensorTemplate], signature: str
) -> dict[str, np.ndarray]:
    """Arrays, or lists of what they hold, as a signature takes them.

    Raises:
        DataError: One too many or too few, of another kind, or of another shape.
    """
    for name in given:
        if name not in inputs:
            raise DataError(
                f"signature {signature!r} has no input {name!r}. {did_you_mean(name, inputs)}"
            )
    missing = [name for name in inputs if name not in given]
    if missing:
        raise DataError(
            f"signature {signature!r} takes {len(inputs)} inputs and these are missing: "
            f"{', '.join(missing)}. Give all of them."
        )
    return {name: _array(given[name], name, template) for name, template in inputs.items()}


def _array(value: Any, name: str, template: TensorTemplate) -> np.ndarray:
    try:
        array = _typed(value, template.dtype)
    except (ValueError, TypeError):  # lists of unequal lengths, or types unknown to NumPy
        array = None
    if array is None or not _fits(array.shape, template.shape):
        shape = ", ".join("any" if size is None else str(size) for size in template.shape)
        quoted = repr(value)
        quoted = quoted if len(quoted) <= 80 else f"{quoted[:77]}..."
        raise DataError(f"input {name!r} takes {template.dtype} of shape ({shape}), got {quoted}.")
    return array


def _typed(value: Any, dtype: str) -> np.ndarray | None:
    """An array, or None where the value is not of this type."""
    if dtype == "string":
        array = np.asarray(value, object)
        return array if all(isinstance(each, (str, bytes)) for each in array.ravel()) else None
    array = np.asarray(value)
    # How wide numbers are is an accident of how they were made; that they are whole is not.
    if array.size and (array.dtype.kind not in "iuf" or not np.can_cast(array, dtype, "same_kind")):
        return None
    return array.astype(dtype)


def _fits(shape: tuple[int, ...], template: tuple[int | None, ...]) -> bool:
    return len(shape) == len(template) and all(
        wanted in (None, size) for size, wanted in zip(shape, template, strict=True)
    )
