"""Raw rows as typed Arrow columns: what is preprocessed, in training and in serving.

Text and JSON become the types of `FeatureSet.raw_schema` here and nowhere else. A row that does
not fit is set aside with a reason; it never becomes a wrong value.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError, did_you_mean
from features.raw_texts import (
    is_list,
    known_coded_tokens,
    known_tokens,
    texts,
    tokens,
    without,
    without_weights,
)
from features.raw_values import (
    LARGEST_NUMBER,
    WHOLE_NUMBER,
    null_numbers,
    null_times,
    number_of,
    time_of,
    token_of,
)
from features.specs import ROLES, FeatureSet, FeatureSpec

Reasons = dict[int, str]  # row index -> why the row cannot be used


class TypedRows(NamedTuple):
    """The rows of a block that fit, and why the others do not.

    Args:
        rows: Typed raw columns of the rows that fit, in their order.
        indices: Indices of these rows in the block, int64 of shape (good rows,).
        reasons: For each other row, the reason.
    """

    rows: pa.RecordBatch
    indices: np.ndarray
    reasons: Reasons


def coerce(
    block: pa.RecordBatch,
    features: FeatureSet,
    roles: Sequence[str] = ROLES,
    coded: bool = False,
) -> TypedRows:
    """Turns columns of text, or of whatever JSON held, into typed raw columns.

    Sequences that the job builds from a history are left out where the block has no such column.

    Args:
        block: One column for each raw name; others are ignored.
        features: What the columns mean.
        roles: Only features of these roles are read.
        coded: Give tokens that come as texts in dictionaries, as `features.dictionaries` would
            put them there: each distinct one is looked at once. Lists stay as they are.

    Returns:
        The rows that fit, and for each other row the reason.

    Raises:
        DataError: `block` lacks a column.
    """
    reasons: Reasons = {}
    columns: dict[str, pa.Array] = {}
    for spec in features.with_role(*roles):
        if spec.raw_name not in block.schema.names:
            if spec.history:
                continue
            raise DataError(
                f"column {spec.raw_name!r} of feature {spec.name!r} is missing. "
                f"{did_you_mean(spec.raw_name, block.schema.names)}"
            )
        column = block.column(spec.raw_name)
        if coded and pa.types.is_string(column.type) and _type_key(spec) == "token":
            column = column.dictionary_encode()
        else:
            column = _without_nulls(column, spec.null_values)
        if spec.raw_name not in columns:
            columns[spec.raw_name] = _READERS[_type_key(spec)](column, spec, reasons)
        _check_role(columns[spec.raw_name], column, spec, reasons)
    _check_steps(columns, features, reasons)
    good = np.setdiff1d(np.arange(block.num_rows), np.fromiter(reasons, np.int64, len(reasons)))
    typed = pa.RecordBatch.from_pydict(columns)
    if reasons:
        typed = typed.take(pa.array(good))
    return TypedRows(typed, good, reasons)


def _check_steps(columns: dict[str, pa.Array], features: FeatureSet, reasons: Reasons) -> None:
    """Step t of every sequence of a history is the same event: none may have fewer than others."""
    for history, names in features.aligned.items():
        present = [name for name in names if name in columns]
        lengths = np.array(
            [pc.fill_null(pc.list_value_length(columns[name]), 0) for name in present], np.int64
        )
        for row in np.flatnonzero((lengths != lengths.max(axis=0)).any(axis=0) if present else []):
            given = {name: int(each) for name, each in zip(present, lengths[:, row], strict=True)}
            if len({each for each in given.values() if each}) > 1:  # one that is missing is padded
                steps = ", ".join(f"{name} has {each}" for name, each in given.items())
                reasons.setdefault(
                    int(row), f"sequences of history {history!r} must have one length, and {steps}"
                )


def _without_nulls(column: pa.Array, null_values: Sequence[str]) -> pa.Array:
    """The column, null where its text is empty or means "missing"."""
    if pa.types.is_large_string(column.type) or pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        return column
    missing = pc.is_in(column, pa.array(["", *null_values]))
    if not pc.any(missing).as_py():  # the readers of files give none
        return column
    return pc.if_else(missing, pa.scalar(None, pa.string()), column)


def _type_key(spec: FeatureSpec) -> str:
    if pa.types.is_list(spec.raw_type):
        return "numbers" if pa.types.is_floating(spec.raw_type.value_type) else "tokens"
    if pa.types.is_string(spec.raw_type):
        return "token"
    return "integer" if pa.types.is_integer(spec.raw_type) else "number"


def _read_token(column: pa.Array, spec: FeatureSpec, reasons: Reasons) -> pa.Array:
    if pa.types.is_nested(column.type):
        return _reject_present(column, spec, reasons, "must be one token")
    if pa.types.is_dictionary(column.type):
        return known_coded_tokens(column, spec.null_values)
    return known_tokens(texts(column), spec.null_values)


def _read_number(column: pa.Array, spec: FeatureSpec, reasons: Reasons) -> pa.Array:
    if spec.positive is not None and pa.types.is_string(column.type):
        named = pc.equal(tokens(column), token_of(spec.positive))
        return named.cast(pa.int8()).cast(pa.float64())
    numbers = _parse(
        _without_nan(column), spec, reasons, pa.float64(), number_of, "must be a number"
    )
    return without(pc.add(numbers, 0.0), null_numbers(spec.null_values))  # -0.0 is 0


def _without_nan(column: pa.Array) -> pa.Array:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _read_integer(column: pa.Array, spec: FeatureSpec, reasons: Reasons) -> pa.Array:
    def parse_one(value: Any) -> int | None:
        return time_of(value, spec.unit)

    expected = "must be a time as a whole number or an ISO date"
    times = _parse(_without_nan(column), spec, reasons, pa.int64(), parse_one, expected)
    return without(times, null_times(spec.null_values, spec.unit))


def _parse(
    column: pa.Array,
    spec: FeatureSpec,
    reasons: Reasons,
    to: pa.DataType,
    parse_one: Callable[[Any], float | int | None],
    expected: str,
) -> pa.Array:
    """Casts all at once where Arrow can; where it refuses, finds the rows it refused."""
    try:
        parsed = column.cast(to)
        if pa.types.is_floating(to):
            plain = pc.less_equal(pc.abs(parsed), LARGEST_NUMBER)  # False for nan
        elif pa.types.is_string(column.type):  # Arrow would read 0x1F
            plain = pc.match_substring_regex(column, f"^{WHOLE_NUMBER}$")
        else:  # an instant has a unit of its own
            plain = pa.array([not pa.types.is_temporal(column.type)])
        if pc.all(plain).as_py() is not False:
            return parsed
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    values = []
    temporal = pa.types.is_temporal(column.type)
    for row, value in enumerate(column.to_pylist()):
        number = None if value is None or temporal else parse_one(value)
        if value is not None and number is None:
            reasons.setdefault(row, f"{spec.raw_name} {expected}, got {_quote(value)}")
        values.append(number)
    return pa.array(values, to)


def _read_tokens(column: pa.Array, spec: FeatureSpec, reasons: Reasons) -> pa.Array:
    to = pa.list_(pa.string())
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), to)
    if is_list(column.type) and not pa.types.is_nested(column.type.value_type):
        lists = texts(column)
    elif pa.types.is_nested(column.type):
        return _reject_present(column, spec, reasons, "must be a list of tokens")
    else:
        text = _known_texts(column, spec)
        separator = spec.separator
        lists = _one_each(text) if separator is None else pc.split_pattern(text, separator)
    if spec.drop_weights is not None:
        lists = without_weights(lists, spec.drop_weights)
    return tokens(lists).cast(to)


def _known_texts(column: pa.Array, spec: FeatureSpec) -> pa.Array:
    text = texts(column)
    if not spec.null_values:
        return text
    missing = pc.is_null(known_tokens(text, spec.null_values))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _one_each(text: pa.Array) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(pc.is_valid(text).to_numpy(zero_copy_only=False))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), text.drop_null())


def _read_numbers(column: pa.Array, spec: FeatureSpec, reasons: Reasons) -> pa.Array:
    if _is_vectors(column, spec.embedding_dimension):
        return column.cast(pa.list_(pa.float32()))
    rows = column.to_pylist()
    if not pa.types.is_nested(column.type):  # without a separator any white space separates
        rows = [None if value is None else str(value).split(spec.separator) for value in rows]
    vectors = []
    for row, values in enumerate(rows):
        vector = None if values is None else [number_of(value) for value in values]
        if vector is not None and (None in vector or len(vector) != spec.dimension):
            expected = f"{spec.raw_name} must be {spec.dimension} numbers"
            reasons.setdefault(row, f"{expected}, got {len(vector)}: {_quote(values)}")
            vector = None
        vectors.append(vector)
    return pa.array(vectors, pa.list_(pa.float32()))


def _is_vectors(column: pa.Array, dimension: int) -> bool:
    """Whether all rows are null or have `dimension` numbers that a float32 holds."""
    if not is_list(column.type) or not pa.types.is_floating(column.type.value_type):
        return False
    if pc.any(pc.not_equal(pc.list_value_length(column), dimension)).as_py():
        return False
    numbers = pc.drop_null(column).flatten()
    fits = pc.less_equal(pc.abs(numbers.cast(pa.float64())), LARGEST_NUMBER)  # False for nan
    return not numbers.null_count and pc.all(fits).as_py() is not False


_READERS: dict[str, Callable[[pa.Array, FeatureSpec, Reasons], pa.Array]] = {
    "token": _read_token,
    "number": _read_number,
    "integer": _read_integer,
    "tokens": _read_tokens,
    "numbers": _read_numbers,
}


def _check_role(parsed: pa.Array, received: pa.Array, spec: FeatureSpec, reasons: Reasons) -> None:
    """A row without a usable label, time, group key or weight cannot be an example."""
    if spec.role == "input":
        return
    bad, expected = pc.is_null(parsed), "must not be empty"
    if spec.role == "label" and spec.at_least is None:
        bad = pc.invert(pc.is_in(parsed, pa.array([0.0, 1.0], pa.float64())))
        expected = "is the label and must be 0 or 1"
    elif spec.role == "weight":
        bad, expected = pc.fill_null(pc.less(parsed, 0.0), True), "is a weight and must be >= 0"
    if pc.any(bad).as_py():
        for row in np.flatnonzero(bad.to_numpy(zero_copy_only=False)).tolist():
            got = _quote(received[row].as_py())
            reasons.setdefault(row, f"{spec.raw_name} {expected}, got {got}")


def _reject_present(
    column: pa.Array, spec: FeatureSpec, reasons: Reasons, expected: str
) -> pa.Array:
    """Sets aside every row with a value; returns a column without any, of the spec's type."""
    for row, value in enumerate(column.to_pylist()):
        if value is not None:
            reasons.setdefault(row, f"{spec.raw_name} {expected}, got {_quote(value)}")
    return pa.nulls(len(column), spec.raw_type)


def _quote(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
