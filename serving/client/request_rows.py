"""Raw rows as the inputs of a signature, without TensorFlow: dense tensors, or tf.Examples.

A row is a mapping of raw column to value, as a line of an export's `sample_rows.jsonl` is one. A
column that a row leaves out, or that is None, is missing there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.errors import DataError, did_you_mean
from features.raw_values import LARGEST_NUMBER, text_of
from serving.client.protos import message_class
from serving.export_format import names
from serving.export_format.signature_table import TensorTemplate

Row = Mapping[str, Any]
Inputs = Mapping[str, TensorTemplate]  # of one signature, by name

# Where nobody says what stands for a missing value, it is what every export takes for it.
_MISSING: dict[str, str | float | int] = {
    "string": "",
    "float32": math.nan,
    "float64": math.nan,
    "int64": int(np.iinfo(np.int64).min),
}


def to_tensors(rows: Sequence[Row], inputs: Inputs) -> dict[str, np.ndarray]:
    """One array an input, with a row's value at each place; lists are padded with "".

    Raises:
        DataError: A value that does not fit its column, or a column that no input reads.
    """
    keys = {name: key for key, name in _inputs_of_keys(rows, inputs).items()}
    arrays = {}
    for name, template in inputs.items():
        key = keys.get(name, name)
        values = [_value(row.get(key), key, number, template) for number, row in enumerate(rows)]
        arrays[name] = _array(values, template)
    return arrays


def to_examples(rows: Sequence[Row], raw_tensors: Inputs) -> list[bytes]:
    """A serialized tf.train.Example a row; what is missing is left out of it.

    Args:
        rows: The rows.
        raw_tensors: Inputs of that signature: they say of which type each column is.

    Raises:
        DataError: As `to_tensors`.
    """
    name_of_key = _inputs_of_keys(rows, raw_tensors)
    examples = []
    for number, row in enumerate(rows):
        example = message_class("tensorflow.Example")()
        for key, name in name_of_key.items():
            if row.get(key) is not None:
                template = raw_tensors[name]
                feature = example.features.feature[template.column or key]
                _fill(feature, _value(row[key], key, number, template), template)
        examples.append(example.SerializeToString(deterministic=True))
    return examples


def rank_tensors(user: Row, candidates: Sequence[Row], inputs: Inputs) -> dict[str, np.ndarray]:
    """The tensors of `rank`: the user's have one row, the others one for each candidate.

    Raises:
        DataError: As `to_tensors`; also a column on the other side than the export was told.
    """
    of_user = {name: each for name, each in inputs.items() if each.shape[:1] == (1,)}
    of_candidates = {name: each for name, each in inputs.items() if name not in of_user}
    _refuse_other_side([user], "the user", of_candidates)
    _refuse_other_side(candidates, "a candidate", of_user)
    return {**to_tensors([user], of_user), **to_tensors(candidates, of_candidates)}


def _refuse_other_side(rows: Sequence[Row], who: str, others: Inputs) -> None:
    taken = {*others, *(each.column for each in others.values())}
    for key in dict.fromkeys(key for row in rows for key in row):
        if key in taken:
            raise DataError(
                f"{who} has {key!r}, which `rank` of this export takes on the other side. "
                "Give it once for the user, or for each candidate, as its metadata say."
            )


def _inputs_of_keys(rows: Sequence[Row], inputs: Inputs) -> dict[str, str]:
    """Key of the rows -> name of its input. A key is a raw column or the name of an input."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    by_column = {each.column: name for name, each in inputs.items() if each.column is not None}
    name_of_key: dict[str, str] = {}
    for key, made in names.tensor_names(keys).items():
        # Where nobody says which column an input holds, its name is made of the column's.
        name = by_column.get(key, key if key in inputs or by_column else made)
        if name not in inputs:
            raise DataError(
                f"the rows have {key!r}, which the model does not read. "
                f"{did_you_mean(key, by_column or inputs)} Rename it or leave it out."
            )
        if name in name_of_key.values():
            raise DataError(f"the rows name the input {name!r} twice. Keep one of its columns.")
        name_of_key[key] = name
    return name_of_key


def is_list(template: TensorTemplate) -> bool:
    """Whether each value is a list of tokens of any length."""
    return len(template.shape) == 2 and template.shape[1] is None


def _value(value: Any, key: str, row: int, template: TensorTemplate) -> Any:
    """A value as its tensor holds it: str or bytes, float, int, or a list of them."""
    listed = isinstance(value, (list, tuple, np.ndarray))
    if is_list(template):
        if value is not None and not listed:
            raise _refused(value, key, row, "a list of texts")
        return [_text(each, key, row) for each in (() if value is None else value)]
    if len(template.shape) == 2 and (dimension := template.shape[1]) is not None:
        if value is None:
            return [0.0] * dimension
        if not listed or len(value) != dimension:
            raise _refused(value, key, row, f"a list of {dimension} numbers")
        return [_number(each, key, row) for each in value]
    if value is None:
        missing = _MISSING[template.dtype] if template.missing is None else template.missing
        return float(missing) if template.dtype in ("float32", "float64") else missing
    if template.dtype == "string":
        return _text(value, key, row)
    return _whole(value, key, row) if template.dtype == "int64" else _number(value, key, row)


def _text(value: Any, key: str, row: int) -> str | bytes:
    if isinstance(value, bytes):
        return value
    try:
        return text_of(value) or ""
    except TypeError:
        raise _refused(value, key, row, "text, or a number or truth that stands for it") from None


def _whole(value: Any, key: str, row: int) -> int:
    if _is_number(value) and math.isfinite(value):
        whole: int = math.floor(value)  # of seconds with a fraction, the second that they lie in
        if -(2**63) <= whole < 2**63:
            return whole
    raise _refused(value, key, row, "a time as a whole number of 64 bits")


def _number(value: Any, key: str, row: int) -> float:
    if not _is_number(value) and not isinstance(value, (bool, np.bool_)):
        raise _refused(value, key, row, "a number")
    number = float(value) + 0.0  # a truth is 1 or 0, and -0.0 is 0
    if abs(number) > LARGEST_NUMBER:
        raise _refused(value, key, row, "a number that a float32 holds")
    return number


def _is_number(value: Any) -> bool:
    number = (int, float, np.integer, np.floating)
    return isinstance(value, number) and not isinstance(value, bool)


def _refused(value: Any, key: str, row: int, expected: str) -> DataError:
    quoted = repr(value)
    quoted = quoted if len(quoted) <= 80 else f"{quoted[:77]}..."
    return DataError(f"row {row} (from 0): {key} must be {expected}, got {quoted}.")


def _array(values: list[Any], template: TensorTemplate) -> np.ndarray:
    if is_list(template):
        array = np.full((len(values), max(map(len, values), default=0)), "", object)
        for row, value in enumerate(values):
            array[row, : len(value)] = value
        return array
    dtype = object if template.dtype == "string" else template.dtype
    return np.array(values, dtype).reshape(len(values), *template.shape[1:])


def _fill(feature: Any, value: Any, template: TensorTemplate) -> None:
    values = value if isinstance(value, list) else [value]
    if template.dtype == "string":
        texts = (each if isinstance(each, bytes) else each.encode() for each in values)
        feature.bytes_list.value.extend(texts)
    elif template.dtype == "float64":  # an Example's floats are float32
        feature.bytes_list.value.extend(repr(each).encode() for each in values)
    elif template.dtype == "int64":
        feature.int64_list.value.extend(values)
    else:
        feature.float_list.value.extend(values)
