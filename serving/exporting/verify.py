"""Verification of an export: a fresh process must reproduce the scores of the trained network.

`python -m serving.exporting.verify VERSION ROWS SCORES SIZE...` is that process: it loads
the SavedModel, scores the rows through every signature, in batches of these sizes, and writes what
came out. It never sees the network's code.
"""

import itertools
import logging
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import read_metadata
from features.errors import ExportError
from serving.export_format import names
from serving.export_format.export_layout import METADATA_ASSET, SIGNATURES_FILE
from serving.export_format.signature_table import read_table, user_columns
from serving.exporting.fresh_process import ROOT, environment
from serving.scoring.signature_inputs import signature_inputs

TOLERANCE = 1e-6  # largest difference of a probability
TIMEOUT_SECONDS = 1800

_log = logging.getLogger(__name__)

Scores = Mapping[str, np.ndarray]  # output of `branches` -> float32 (rows,)


def verify(
    version: Path,
    rows: pa.RecordBatch,
    expected: Scores,
    ranked: np.ndarray | None = None,
    sizes: Sequence[int] = (),
) -> None:
    """Compares an export, loaded in a fresh process, with the scores of the trained network.

    The process computes on the CPU: a GPU may be full of the training's memory, and multiplies
    with fewer bits.

    Args:
        version: Folder of the SavedModel.
        rows: Typed raw rows.
        expected: `prob`, and every branch's outputs, for these rows.
        ranked: `prob` of these rows where all have the user of the first, which is what `rank`
            is given; None for an export without it.
        sizes: Further batch sizes to compare at; the rows are repeated where there are too few.

    Raises:
        ExportError: The export cannot be loaded, cannot score the rows, or scores them otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="concord-verify-") as folder:
        rows_path, scores_path = Path(folder, "rows.arrow"), Path(folder, "scores.npz")
        with pa.ipc.new_file(rows_path, rows.schema) as writer:
            writer.write_batch(rows)
        sizes = [rows.num_rows, *sizes]
        _run_fresh_process(version, rows_path, scores_path, sizes)
        answers = expected_outputs(expected, ranked)
        with np.load(scores_path) as received:
            for key in received.files:
                output, size = key.rsplit("@", 1)
                values = answers.get(output)
                if values is not None and len(values) == rows.num_rows:
                    values = values[_repeated(rows.num_rows, int(size))]
                _compare(output, received[key], values)
            required = {f"{output}@{size}" for output in answers for size in sizes}
            missing = sorted(required - set(received.files))
    if missing:
        raise ExportError(
            f"the export does not answer {', '.join(missing)} (signature/output@rows). "
            "The export was discarded."
        )


def expected_outputs(expected: Scores, ranked: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What every signature must answer: `signature/output` -> values.

    Args:
        expected: `prob`, and every branch's outputs, as the network scores the rows.
        ranked: `prob` as `rank` must give it; None for an export without `rank`.
    """
    prob = expected[names.PROB]
    labels = np.array(names.CLASS_LABELS).astype("S")
    outputs = {
        (names.SERVING_DEFAULT, names.PROB): prob,
        (names.RAW_TENSORS, names.PROB): prob,
        (names.CLASSIFY, names.CLASSES): np.tile(labels, (len(prob), 1)),
        (names.CLASSIFY, names.SCORES): np.stack([1.0 - prob, prob], axis=1),
        (names.REGRESS, names.OUTPUTS): prob[:, np.newaxis],
    }
    if len(expected) > 1:
        outputs |= {(names.BRANCHES, name): value for name, value in expected.items()}
    if ranked is not None:
        outputs[names.RANK, names.PROB] = ranked
    return {f"{signature}/{output}": value for (signature, output), value in outputs.items()}


def score_signatures(
    version: Path, rows: pa.RecordBatch, sizes: Sequence[int]
) -> dict[str, np.ndarray]:
    """Scores typed raw rows through every signature: `signature/output@size` -> (size, ...).

    Args:
        version: Folder of the SavedModel.
        rows: What to score.
        sizes: Rows of a batch; the rows are repeated where there are too few.
    """
    features = read_metadata(version / METADATA_ASSET).features
    user = user_columns(read_table(version / SIGNATURES_FILE))
    signatures = tf.saved_model.load(str(version)).signatures
    scores = {}
    for size, (signature, function) in itertools.product(sizes, signatures.items()):
        batch = rows.take(pa.array(_repeated(rows.num_rows, size)))
        outputs = function(**signature_inputs(signature, batch, features, user))
        for name, value in outputs.items():
            array = value.numpy()
            # Of text as bytes of a fixed length: npz files hold no objects.
            array = array.astype("S") if array.dtype == object else array
            scores[f"{signature}/{name}@{size}"] = array
    return scores


def _run_fresh_process(version: Path, rows: Path, scores: Path, sizes: Sequence[int]) -> None:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", **environment(), "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "serving.exporting.verify"]
    command += [os.path.abspath(each) for each in (version, rows, scores)] + list(map(str, sizes))
    try:
        finished = subprocess.run(
            command,
            env=quiet,
            cwd=ROOT,  # `-m` looks there first, and a folder of the user may be called alike
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(
            f"the export did not score its sample rows in a fresh process within "
            f"{TIMEOUT_SECONDS} s, so it was discarded. Export again when the machine is less busy."
        ) from None
    if finished.returncode != 0:
        _log.debug("%s", finished.stderr)
        lines = finished.stderr.strip().splitlines()
        raise ExportError(
            "the export could not be loaded and scored in a fresh process, so it was discarded. "
            f"Exit code {finished.returncode}: {lines[-1] if lines else 'no message'}"
        )


def _compare(key: str, received: np.ndarray, expected: np.ndarray | None) -> None:
    signature, output = key.split("/", 1)
    where = f"signature {signature!r}, output {output!r}"
    if expected is None or received.dtype != expected.dtype or received.shape != expected.shape:
        shape = "no such output"
        if expected is not None:
            shape = f"{expected.dtype} of shape {expected.shape}"
        raise ExportError(
            f"{where}: the export gives {received.dtype} of shape {received.shape}, the trained "
            f"network {shape}. The export was discarded."
        )
    if expected.dtype.kind == "S":
        difference = (received != expected).astype(np.float64)
    else:
        difference = np.abs(received.astype(np.float64) - expected)
    worst = np.unravel_index(np.argmax(difference), difference.shape)  # a nan is the largest
    if not difference[worst] <= TOLERANCE:
        raise ExportError(
            f"{where}: the export does not reproduce the trained network. Its worst difference is "
            f"{difference[worst]:.3g}, on sample row {worst[0]} ({received[worst]} instead of "
            f"{expected[worst]}); at most {TOLERANCE:g} is allowed. The export was discarded."
        )


def _repeated(rows: int, size: int) -> np.ndarray:
    """Which rows make a batch of `size`: all, over and over."""
    return np.arange(size) % rows


def _main(version: str, rows_path: str, scores_path: str, *sizes: str) -> None:
    with pa.ipc.open_file(rows_path) as reader:
        rows = reader.get_batch(0)
    scores: dict[str, Any] = score_signatures(Path(version), rows, list(map(int, sizes)))
    np.savez(scores_path, **scores)


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Exception as error:  # whatever it is, the exporting process wants it in one line
        traceback.print_exc()
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}")
