"""Avro files: their columns, and their records as columns of text."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, Literal

import fastavro
import pyarrow as pa

from features.raw_texts import NotTextError
from features.raw_values import text_of
from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading.column_error import ColumnError

Kind = Literal["value", "list", "nested"]
_NESTED = ("record", "error", "map")


def avro_kinds(stream: BinaryIO) -> dict[str, Kind]:
    """The fields of an Avro file's records: one value, a list of them, or something nested.

    Raises:
        ValueError: It is no Avro file of records.
        EOFError: It breaks off.
    """
    schema = fastavro.reader(stream).writer_schema
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise ValueError("its objects are no records, which have named fields")
    named: dict[str, Kind] = {}
    return {field["name"]: _kind(field["type"], named) for field in schema["fields"]}


def read_avro(stream: BinaryIO, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Reads records in turn: (records before them, at most `MAX_ROWS` rows of text columns).

    Args:
        stream: The file.
        columns: Fields to read.

    Raises:
        ColumnError: A field holds what is no text.
        ValueError: The file is damaged.
        EOFError: It breaks off.
    """
    kinds = avro_kinds(stream)
    stream.seek(0)
    records: Iterator[Any] = fastavro.reader(stream)
    row = 0
    while block := list(islice(records, MAX_ROWS)):
        arrays = []
        for name in columns:
            is_list = kinds[name] == "list"
            to = pa.list_(pa.string()) if is_list else pa.string()
            read = _list if is_list else _text
            try:
                arrays.append(pa.array([read(record[name]) for record in block], to))
            except NotTextError as error:
                raise ColumnError(name, str(error)) from None
        yield row, pa.RecordBatch.from_arrays(arrays, names=list(columns))
        row += len(block)


def _kind(schema: Any, named: dict[str, Kind]) -> Kind:
    """The kind of a field by its schema; types that have names are found by them later."""
    if isinstance(schema, list):
        kinds = {_kind(each, named) for each in schema if each != "null"}
        return kinds.pop() if len(kinds) == 1 else "nested" if kinds else "value"
    if isinstance(schema, str):
        return named.get(schema, "value")
    kind: Kind = "value"
    if schema["type"] in _NESTED:
        kind = "nested"
    elif schema["type"] == "array":
        kind = "list" if _kind(schema["items"], named) == "value" else "nested"
    elif isinstance(schema["type"], dict | list):
        kind = _kind(schema["type"], named)
    if "name" in schema:
        named[schema["name"]] = kind
    return kind


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise NotTextError("it holds bytes that are not UTF-8 text") from None
    try:
        return text_of(value)
    except TypeError:
        raise NotTextError(f"it holds {type(value).__name__}") from None


def _list(values: Any) -> list[str | None] | None:
    return None if values is None else [_text(value) for value in values]
