"""JSON lines that Arrow's parser reads as Python's does: many times faster, or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from features.feature_spec import FeatureSpec
from features.raw_texts import is_list, texts
from features.raw_values import LARGEST_WHOLE
from serving.scoring.plain_text import count_lines, is_utf8

_BLOCK_BYTES = 2**31 - 1  # one block a call
_NESTED = 100  # brackets of values that nobody reads: deeper ones may be too deep for Python
_TYPE_OF = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


class PlainJson:
    """Reads lines of which each is provably a JSON object, and the same one to Python.

    Arrow wants to know beforehand what a column holds: a block with values of several types is left
    alone, as are empty lines, what only one of the two parsers takes for JSON, and numbers that a
    double does not hold exactly. Whoever is told None reads the lines with `json.loads`.

    Args:
        specs: Raw name -> what the column means.
    """

    def __init__(self, specs: Mapping[str, FeatureSpec]) -> None:
        self._specs = specs
        self._is_known = not any("/" in name or spec.positive for name, spec in specs.items())
        self._types = {name: _usual_type(spec) for name, spec in specs.items()}
        self._num_lists = sum(map(pa.types.is_list, self._types.values()))
        self._read = pyarrow.json.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)

    def columns(self, piece: bytes, sample: Sequence[Mapping[str, Any]]) -> list[pa.Array] | None:
        """The columns that `json_column` makes of the rows; None where there is a doubt.

        What does not fit its feature may be told in other words than a careful reader's: if
        `features.raw.coerce` refuses a row of them, the careful one must say why.

        Args:
            piece: Whole lines; the line break of the last may be missing.
            sample: The first rows of the piece, which show what types the columns have.
        """
        if not self._is_known or not self._learn(sample) or not self._is_plain(piece):
            return None
        parse = pyarrow.json.ParseOptions(
            explicit_schema=pa.schema(list(self._types.items())),
            newlines_in_values=False,
            unexpected_field_behavior="ignore",
        )
        try:
            rows = pyarrow.json.read_json(pa.py_buffer(piece), self._read, parse)
        except pa.ArrowInvalid:
            return None
        if rows.num_rows != count_lines(piece):
            return None
        columns = []
        others = _brackets(piece) - rows.num_rows
        for name, spec in self._specs.items():
            column = rows[name].combine_chunks()
            if is_list(column.type):
                others -= len(column) - column.null_count
            columns.append(_as_read(column, spec))
        if others > _NESTED or any(column is None for column in columns):
            return None
        return columns

    def _learn(self, sample: Sequence[Mapping[str, Any]]) -> bool:
        """Notes the types of the columns; False where one has several."""
        for name in self._specs:
            given = [row[name] for row in sample if row.get(name) is not None]
            if given:
                kind = _type_of(given)
                if kind is None:
                    return False
                self._types[name] = kind
        return True

    def _is_plain(self, piece: bytes) -> bool:
        lines = count_lines(piece)
        inner = piece.count(b"}\n{") + piece.count(b"}\r\n{")
        return (
            inner == lines - 1
            and piece.startswith(b"{")
            and piece.removesuffix(b"\n").removesuffix(b"\r").endswith(b"}")
            and b"\0" not in piece
            and b"NaN" not in piece  # which Arrow takes, as it takes Inf and Infinity
            and b"Inf" not in piece
            and is_utf8(piece)
            # Arrow's parser calls itself for each: it must not come to the end of the stack.
            and _brackets(piece) <= lines * (1 + self._num_lists) + _NESTED
        )


def _usual_type(spec: FeatureSpec) -> pa.DataType:
    if pa.types.is_list(spec.raw_type):
        return pa.list_(pa.float64() if spec.kind == "embedding" else pa.string())
    if pa.types.is_floating(spec.raw_type):
        return pa.float64()
    kind: pa.DataType = spec.raw_type
    return kind


def _type_of(values: Sequence[Any]) -> pa.DataType | None:
    """The Arrow type of JSON values; None where they have several, or no simple one."""
    kinds = set(map(type, values))
    if kinds == {int, float}:
        kinds = {float}
    if kinds == {list}:
        elements = [each for value in values for each in value if each is not None]
        element = _type_of(elements) if elements else None
        return None if element is None or is_list(element) else pa.list_(element)
    return _TYPE_OF.get(kinds.pop()) if len(kinds) == 1 else None


def _brackets(piece: bytes) -> int:
    return piece.count(b"{") + piece.count(b"[")


def _as_read(column: pa.Array, spec: FeatureSpec) -> pa.Array | None:
    """A column as `json_column` has it; None where that has more to say of it."""
    values = column.flatten() if is_list(column.type) else column
    is_float = pa.types.is_floating(values.type)
    if is_float and pc.any(pc.greater_equal(pc.abs(values), float(LARGEST_WHOLE))).as_py():
        return None  # other whole numbers may have become this double
    if is_list(column.type):
        return texts(column) if pa.types.is_list(spec.raw_type) else None
    if pa.types.is_list(spec.raw_type):
        return _split(column, spec)
    if pa.types.is_string(spec.raw_type) or pa.types.is_boolean(column.type):
        return texts(column)
    return column


def _split(column: pa.Array, spec: FeatureSpec) -> pa.Array | None:
    """Lists that stand in one text each, as in CSV."""
    if not pa.types.is_string(column.type) or spec.separator is None:
        return None
    missing = pc.is_in(column, pa.array(["", *spec.null_values]))
    return pc.split_pattern(
        pc.if_else(missing, pa.scalar(None, pa.string()), column), spec.separator
    )
