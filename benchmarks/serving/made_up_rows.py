"""Raw rows of an export's columns, drawn from its vocabularies: as CSV, JSON lines and Parquet."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.specs import FeatureSet, FeatureSpec
from serving.export_format.export_layout import ASSETS

Block = Mapping[str, list[Any]]  # raw column -> its values
Write = Callable[[Block], None]

_MISSING = 0.05  # of the values of every column
_BLOCK = 10_000
_DAY, _FIRST_DAY = 86_400, 19_000
_TOKENS_DRAWN = 10_000


def write_rows(export: Path, features: FeatureSet, rows: int, paths: Mapping[str, Path]) -> None:
    """Writes the same rows in each format that `paths` names: csv, jsonl, parquet.

    Tokens are drawn from the vocabularies, the first ones, which are the most frequent, most often;
    histories have any length up to the longest that the network reads, all of a history the same.
    """
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    vocabularies = {
        name: (export / ASSETS / f"{name}.txt").read_text().splitlines()[:_TOKENS_DRAWN]
        for name in features.vocabularies
    }
    rng = np.random.default_rng(0)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_WRITERS[kind](path, features)) for kind, path in paths.items()
        ]
        for start in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - start)
            block = _block(specs, features, vocabularies, count, rng)
            for write in writers:
                write(block)


def _block(
    specs: Mapping[str, FeatureSpec],
    features: FeatureSet,
    vocabularies: Mapping[str, Sequence[str]],
    count: int,
    rng: np.random.Generator,
) -> dict[str, list[Any]]:
    steps = {name: rng.integers(0, 1 << 30, count) for name in features.aligned}
    columns = {}
    for name, spec in specs.items():
        values = list(_values(spec, vocabularies, count, steps, rng))
        # A history that is missing beside others of the same events is one of another length.
        missing = rng.random(count) < (0.0 if spec.history else _MISSING)
        columns[name] = [None if no else value for no, value in zip(missing, values, strict=True)]
    return columns


def _values(
    spec: FeatureSpec,
    vocabularies: Mapping[str, Sequence[str]],
    count: int,
    steps: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> Iterator[Any]:
    if spec.kind == "embedding":
        yield from rng.normal(size=(count, spec.embedding_dimension)).round(4).tolist()
    elif spec.kind in ("multivalued", "sequence"):
        drawn = steps.get(spec.events) if spec.kind == "sequence" else None
        lengths = (rng.integers(0, 1 << 30, count) if drawn is None else drawn) % (
            spec.padded_length + 1
        )
        tokens = iter(_tokens(vocabularies[spec.vocabulary], int(lengths.sum()), rng))
        yield from ([next(tokens) for _ in range(length)] for length in lengths)
    elif spec.is_time:
        seconds = _FIRST_DAY * _DAY + rng.integers(0, 100 * _DAY, count)
        yield from (seconds * (1000 if spec.unit == "ms" else 1)).tolist()
    elif spec.has_vocabulary:
        yield from _tokens(vocabularies[spec.vocabulary], count, rng)
    else:
        yield from np.exp(rng.normal(3.0, 2.0, count)).round(3).tolist()


def _tokens(vocabulary: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    places = (len(vocabulary) * rng.random(count) ** 3).astype(int)
    return [vocabulary[place] for place in places]


def _cell(value: Any, spec: FeatureSpec) -> str:
    if value is None:
        return ""
    if not isinstance(value, list):
        return str(value)
    if spec.history is not None and spec.separator is None:
        return json.dumps(value)
    return (spec.separator or " ").join(map(str, value))


@contextmanager
def _csv(path: Path, features: FeatureSet) -> Iterator[Write]:
    specs = {spec.raw_name: spec for spec in reversed(features.inputs)}
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(specs)

        def write(block: Block) -> None:
            columns = [[_cell(value, specs[name]) for value in block[name]] for name in specs]
            writer.writerows(zip(*columns, strict=True))

        yield write


@contextmanager
def _json_lines(path: Path, features: FeatureSet) -> Iterator[Write]:
    with path.open("w") as file:

        def write(block: Block) -> None:
            rows = zip(*block.values(), strict=True)
            file.writelines(json.dumps(dict(zip(block, row, strict=True))) + "\n" for row in rows)

        yield write


@contextmanager
def _parquet(path: Path, features: FeatureSet) -> Iterator[Write]:
    schema = features.raw_schema(("input",))
    with pq.ParquetWriter(path, schema) as writer:
        yield lambda block: writer.write_table(pa.Table.from_pydict(dict(block), schema=schema))


_WRITERS: Mapping[str, Callable[[Path, FeatureSet], AbstractContextManager[Write]]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
