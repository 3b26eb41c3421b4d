"""Raw rows from JSON lines: values of any JSON type as columns that `features.raw` can read."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from features.errors import DataError, did_you_mean
from features.raw import Reasons
from features.raw_values import text_of
from features.specs import FeatureSet, FeatureSpec
from serving.scoring.byte_lines import ByteLines, decoded
from serving.scoring.plain_json import PlainJson
from serving.scoring.plain_text import count_lines

_SAMPLE = 8  # rows of a block whose types the others are expected to have


class UntypedBlock(NamedTuple):
    """Rows as they were read.

    Args:
        columns: Raw columns, as `features.raw.coerce` takes them.
        lines: Line of each row, from 1.
        reasons: Why rows cannot be used, as far as it is known already.
        carefully: Reads the same rows by Python, which knows what to say of those that do not fit;
            None where they were read so.
    """

    columns: pa.RecordBatch
    lines: Sequence[int]
    reasons: Reasons
    carefully: "Callable[[], UntypedBlock] | None" = None


def json_blocks(
    lines: ByteLines, where: str, features: FeatureSet, block_rows: int
) -> Iterator[UntypedBlock]:
    """Blocks of rows.

    Raises:
        DataError: A line is not a JSON object, or, at the end, no row had one of the columns.
    """
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    keys: set[str] = set()
    plain = PlainJson(specs)
    while True:
        block = _plain_block(lines, where, block_rows, specs, plain, keys)
        if block is None:
            rows, numbers = _rows(decoded(lines, where, "utf-8"), lines, where, block_rows)
            if not rows:
                break
            for row in rows:
                _note(row, specs, keys)
            block = _block(rows, numbers, specs)
        yield block
    for name in specs:
        if keys and name not in keys:
            raise DataError(
                f"{where}: no row has {name!r}. {did_you_mean(name, keys)} Where it is missing "
                "from every row, write null into one of them to say so."
            )


def _plain_block(
    lines: ByteLines,
    where: str,
    block_rows: int,
    specs: Mapping[str, FeatureSpec],
    plain: PlainJson,
    keys: set[str],
) -> UntypedBlock | None:
    """The next block, where it can be read fast; None, and no line taken, where it cannot."""
    piece = lines.peek(block_rows)
    first, count = lines.number + 1, count_lines(piece)
    texts = piece.split(b"\n", _SAMPLE)[:_SAMPLE]
    try:
        sample = [_parse(line.decode(), where) for line in texts if line.strip()]
    except (DataError, UnicodeDecodeError):  # whoever reads the line says what is wrong with it
        return None
    for row in sample:
        _note(row, specs, keys)
    if not sample or not keys.issuperset(specs):  # the careful reader knows what no row has
        return None
    columns = plain.columns(piece, sample)
    if columns is None:
        return None
    lines.skip(piece, count)
    numbers = range(first, first + count)

    def carefully() -> UntypedBlock:
        texts = piece.removesuffix(b"\n").split(b"\n")
        rows = [
            _parse(line.decode(), f"{where}, line {number}")
            for number, line in zip(numbers, texts, strict=True)
        ]
        return _block(rows, numbers, specs)

    rows = pa.RecordBatch.from_arrays(columns, list(specs))
    return UntypedBlock(rows, numbers, {}, carefully)


def _rows(
    texts: Iterator[str], lines: ByteLines, where: str, block_rows: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """The next rows, and their lines. Empty lines are passed over."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for line in texts:
        if line.strip():
            rows.append(_parse(line, f"{where}, line {lines.number}"))
            numbers.append(lines.number)
        if len(rows) == block_rows:
            break
    return rows, numbers


def _note(row: dict[str, Any], specs: Mapping[str, FeatureSpec], keys: set[str]) -> None:
    """Adds what a row has to the keys that were seen."""
    keys.update(name for name in specs if name not in keys and _has(row, name))
    keys.update(row)


def json_column(values: Sequence[Any], spec: FeatureSpec) -> tuple[pa.Array, Reasons]:
    """JSON values as one Arrow column, each read on its own.

    Arrow infers one type for a column, so that a value would depend on its neighbours: 5 beside
    5.5 would be another token than 5 alone.

    Returns:
        The column, and for rows whose value has no such form, the reason.
    """
    reasons: Reasons = {}
    if pa.types.is_string(spec.raw_type):
        tokens = []
        for row, value in enumerate(values):
            if isinstance(value, (list, dict)):
                reasons[row] = f"{spec.raw_name} must be one token, got {_quote(value)}"
            tokens.append(_text(value))
        return pa.array(tokens, pa.string()), reasons
    if pa.types.is_list(spec.raw_type):
        rows = []
        for row, value in enumerate(values):
            elements = _elements(value, spec)
            if elements is not None and any(isinstance(each, (list, dict)) for each in elements):
                reasons[row] = f"{spec.raw_name} must be a plain list, got {_quote(value)}"
            rows.append(None if elements is None else [_text(each) for each in elements])
        return pa.array(rows, pa.list_(pa.string())), reasons
    if all(value is None or type(value) is float for value in values):
        return pa.array(values, pa.float64()), reasons
    return pa.array([_text(value) for value in values], pa.string()), reasons


def _parse(line: str, at: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
        if "\\ud" in line.lower():  # half of a surrogate pair is no text
            json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(
            f"{at}: is not JSON: {reason}. Write one JSON object a line, null for a missing value."
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{at}: must be a JSON object of raw columns, got {_quote(row)}.")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _block(
    rows: Sequence[dict[str, Any]], numbers: Sequence[int], specs: Mapping[str, FeatureSpec]
) -> UntypedBlock:
    columns: dict[str, pa.Array] = {}
    reasons: Reasons = {}
    for name, spec in specs.items():
        columns[name], more = json_column([_find(row, name) for row in rows], spec)
        reasons = {**more, **reasons}
    return UntypedBlock(pa.RecordBatch.from_pydict(columns), numbers, reasons)


def _find(row: dict[str, Any], name: str) -> Any:
    """What stands in a column: of a key, or as in the data job of `a/b` inside of `a`."""
    if name in row:
        return row[name]
    value: Any = row
    for key in name.split("/"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _has(row: dict[str, Any], name: str) -> bool:
    return name in row or _find(row, name) is not None


def _elements(value: Any, spec: FeatureSpec) -> list[Any] | None:
    """The elements of a list, which may also stand in one text, as in CSV."""
    if value is None or (isinstance(value, str) and value in ("", *spec.null_values)):
        return None
    if isinstance(value, list):
        return value
    separator = spec.separator or (" " if spec.kind == "embedding" else None)
    return value.split(separator) if isinstance(value, str) and separator else [value]


def _text(value: Any) -> str | None:
    """A scalar's text, and of anything else the JSON, for a message."""
    return json.dumps(value) if isinstance(value, (list, dict)) else text_of(value)


def _quote(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
