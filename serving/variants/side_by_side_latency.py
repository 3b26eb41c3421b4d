"""How long exports take to score, measured side by side: differences are the exports' own."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.bundle import read_metadata
from serving.export_format import names
from serving.export_format.export_layout import METADATA_ASSET
from serving.scoring.signature_inputs import signature_inputs
from serving.server.core.loaded_model import LoadedModel

BATCH_SIZES = (1, 100, 1_000)
_WARM_UP = 3

Run = Callable[[], object]  # scores one batch that was prepared before


def interleaved_p50(runs: Mapping[str, Run], rounds: int = 100) -> dict[str, float]:
    """Median time of each, in milliseconds, every round taking one call of each in turn.

    Args:
        runs: What to call, by name.
        rounds: Calls of each that count.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(_WARM_UP + rounds):
        order = list(runs) if number % 2 else list(runs)[::-1]
        for name in order:
            started = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - started)
    return {name: 1e3 * float(np.median(each[_WARM_UP:])) for name, each in times.items()}


def repeated_rows(rows: pa.RecordBatch, count: int) -> pa.RecordBatch:
    """So many rows, the given ones over and over."""
    return rows.take(pa.array(np.arange(count) % rows.num_rows))


def saved_model_runs(
    version: Path, rows: pa.RecordBatch, sizes: Sequence[int] = BATCH_SIZES
) -> dict[int, Run]:
    """Calls of `raw_tensors` as the local server makes them, by batch size.

    Args:
        version: Folder of a SavedModel that Concord wrote.
        rows: Typed raw rows to repeat; columns that it does not read are ignored.
        sizes: Rows of a call.
    """
    features = read_metadata(version / METADATA_ASSET).features
    rows = rows.select(features.raw_schema(("input",)).names)
    model = LoadedModel(version.parent.name, 0, version)
    signature = model.signatures[names.RAW_TENSORS]

    def run_of(size: int) -> Run:
        inputs = signature_inputs(names.RAW_TENSORS, repeated_rows(rows, size), features)
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return lambda: model.run_checked(signature, arrays)

    return {size: run_of(size) for size in sizes}
