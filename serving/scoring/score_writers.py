"""Scores on their way to a file: JSON lines, or columns of Parquet."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving.scoring.open_output import open_binary_output, open_output

_PARQUET = ".parquet"
_GROUP_ROWS = 1 << 16  # a row group of Parquet: what is kept until it is written

Scores = Mapping[str, np.ndarray]  # name -> float32 (rows,)
Write = Callable[[Scores], None]


@contextmanager
def score_writer(path: str | None, names: Sequence[str]) -> Iterator[Write]:
    """Takes blocks of scores, which appear whole or not at all when the context ends.

    Args:
        path: Parquet where it ends in .parquet, with a float32 column for each name. Otherwise a
            JSON object a row, compressed where it ends in .gz; None for the standard output.
        names: Names of the scores, in their order.

    Raises:
        DataError: It cannot be written.
    """
    if path is not None and Path(path).suffix.lower() == _PARQUET:
        with open_binary_output(path) as file, _parquet(file, names) as write:
            yield write
        return
    with open_output(path) as text:

        def write(scores: Scores) -> None:
            text.write(_lines(scores))

        yield write


def _lines(scores: Scores) -> str:
    """A line a row. Nine significant digits name a float32 exactly."""
    pairs = (json.dumps(name).replace("%", "%%") + ": %.9g" for name in scores)
    line = f"{{{', '.join(pairs)}}}\n"
    values = np.stack(list(scores.values()), axis=1)  # (rows, names)
    return (line * len(values)) % tuple(values.ravel().tolist())


@contextmanager
def _parquet(file: BinaryIO, names: Sequence[str]) -> Iterator[Write]:
    schema = pa.schema([pa.field(name, pa.float32(), nullable=False) for name in names])
    waiting: list[pa.RecordBatch] = []

    def flush() -> None:
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting), row_group_size=_GROUP_ROWS)
            waiting.clear()

    def write(scores: Scores) -> None:
        columns = [pa.array(scores[name], pa.float32()) for name in names]
        waiting.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        if sum(map(len, waiting)) >= _GROUP_ROWS:
            flush()

    with pq.ParquetWriter(file, schema) as writer:
        yield write
        flush()
