"""Rows a second that reach a training loop: records of one row, of blocks, and FuxiCTR's loader.

    python -m benchmarks.loading.loaders --peer-python /path/to/venv/with/fuxictr/bin/python

Random rows of 39 fields, shuffled, in batches. The sides run in turn for some seconds each; a turn
in which other processes used the processor is dropped. Prints medians with quartiles, over the wall
and over the processor time that a side used, and the ratio to the fastest peer.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import numpy as np
import tensorflow as tf

from benchmarks.loading.random_bundle import write_random_bundle
from features.bundle import Bundle
from pipeline.batches.dataset import column_arrays, examples

_EPOCHS = 1_000_000  # more than a turn takes
_SINGLE_BUFFER = 40_960  # rows, as many as `examples` permutes together


class Turn(NamedTuple):
    """What a side did in a turn: rows, seconds, and processor seconds of all its processes."""

    rows: int
    seconds: float
    cpu: float


Side = Callable[[float], Turn]


def main() -> None:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, ExitStack() as peers:
        sides = _own_sides(Path(folder), arguments)
        if arguments.peer_python:
            for data in arguments.peer_data:
                for workers in arguments.peer_workers:
                    sides[f"FuxiCTR {data}, {workers} workers"] = peers.enter_context(
                        _peer(arguments.peer_python, Path(folder), data, workers, arguments)
                    )
        turns: dict[str, list[Turn]] = {name: [] for name in sides}
        dropped = 0
        for _ in range(arguments.rounds):
            for name, side in sides.items():
                turn, others = _watched(side, arguments.seconds)
                if others > arguments.others:
                    dropped += 1
                else:
                    turns[name].append(turn)
    print(f"batch_size={arguments.batch_size}, {os.cpu_count()} cores, {dropped} turns dropped")
    print(_table(turns))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="of blocks, and of FuxiCTR")
    parser.add_argument("--single-rows", type=int, default=100_000, help="of records of one row")
    parser.add_argument("--sequences", type=int, default=0, help="histories of up to 50 ids")
    parser.add_argument("--batch-size", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument(
        "--others", type=float, default=0.2, help="cores that other processes may use in a turn"
    )
    parser.add_argument("--peer-python", help="interpreter that has fuxictr and torch")
    parser.add_argument("--peer-data", nargs="+", default=["npz", "npz_blocks"])
    parser.add_argument("--peer-workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", help="for temporary files")
    return parser.parse_args()


def _own_sides(folder: Path, arguments: argparse.Namespace) -> dict[str, Side]:
    rows = write_random_bundle(folder / "rows", arguments.single_rows, "row", arguments.sequences)
    blocks = write_random_bundle(folder / "blocks", arguments.rows, "block", arguments.sequences)
    if arguments.peer_python:
        _write_npz(blocks, folder / "npz")
    size = arguments.batch_size
    return {
        "rows, parsed singly": lambda seconds: _consume(_singly(rows, size), seconds),
        "rows, parsed in batches": lambda seconds: _consume(
            examples(rows, "train", size, _EPOCHS), seconds
        ),
        "blocks": lambda seconds: _consume(examples(blocks, "train", size, _EPOCHS), seconds),
    }


def _singly(bundle: Bundle, batch_size: int) -> tf.data.Dataset:
    """What tutorials show: a parse for every Example, a shuffle buffer, batches."""
    inputs = [column for column in bundle.metadata.columns if column.dtype == "int32"]
    keys = {
        column.name: tf.io.FixedLenFeature([], tf.int64)
        if column.length is None
        else tf.io.RaggedFeature(tf.int64)
        for column in inputs
    }
    keys["label"] = tf.io.FixedLenFeature([], tf.float32)

    def parse(record: tf.Tensor) -> tuple:
        row = tf.io.parse_single_example(record, keys)
        for column in inputs:
            if column.length is not None:
                missing = column.length - tf.size(row[column.name])
                row[column.name] = tf.pad(row[column.name], [[0, missing]])
        return row, row.pop("label")

    return (
        tf.data.TFRecordDataset(bundle.files("train"))
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        .shuffle(_SINGLE_BUFFER)
        .repeat()
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def _consume(dataset: tf.data.Dataset, seconds: float) -> Turn:
    batches = iter(dataset)
    next(batches)  # traces and fills buffers
    rows, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        rows += int(next(batches)[1].shape[0])
    return Turn(rows, time.perf_counter() - started, time.process_time() - cpu)


def _write_npz(bundle: Bundle, folder: Path) -> None:
    """The same rows as FuxiCTR stores them: one file, and a folder of eight."""
    folder.mkdir()
    names = [spec.name for spec in bundle.metadata.features.inputs]
    arrays = column_arrays(bundle, "train", [*names, "label"])
    # Its loaders stack columns: a list is a column for each of its ids.
    flat = {}
    for name, array in arrays.items():
        flat |= (
            {name: array} if array.ndim == 1 else {f"{name}_{i}": c for i, c in enumerate(array.T)}
        )
    np.savez(folder / "train.npz", **flat)
    (folder / "blocks").mkdir()
    for part, rows in enumerate(np.array_split(np.arange(bundle.metadata.rows["train"]), 8)):
        np.savez(folder / "blocks" / f"part_{part}.npz", **{n: a[rows] for n, a in flat.items()})


@contextmanager
def _peer(
    python: str, folder: Path, data: str, workers: int, arguments: argparse.Namespace
) -> Iterator[Side]:
    path = folder / "npz" / ("train.npz" if data == "npz" else "blocks")
    script = Path(__file__).with_name("fuxictr_loader.py")
    command = [python, str(script), str(path), str(arguments.batch_size), str(workers)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def side(seconds: float) -> Turn:
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
        return Turn(**json.loads(process.stdout.readline()))

    try:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{' '.join(command)} did not start; its message is above.")
        yield side
    finally:
        process.stdin.close()
        process.wait()


def _watched(side: Side, seconds: float) -> tuple[Turn, float]:
    """A turn, and the cores that other processes kept busy meanwhile."""
    busy, started = _busy_seconds(), time.perf_counter()
    own = time.process_time()
    turn = side(seconds)
    elapsed = time.perf_counter() - started
    used = max(turn.cpu, time.process_time() - own)
    return turn, (_busy_seconds() - busy - used) / elapsed


def _busy_seconds() -> float:
    """Processor time of the whole machine, without what it was idle or waited."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _table(turns: dict[str, list[Turn]]) -> str:
    lines = [f"{'side':<32}{'turns':>6}{'rows/s':>12}{'quartiles':>24}{'rows/CPU-s':>12}"]
    medians = {}
    for name, kept in turns.items():
        if not kept:
            lines.append(f"{name:<32}{0:>6}  every turn was disturbed")
            continue
        rates = sorted(turn.rows / turn.seconds for turn in kept)
        medians[name] = statistics.median(rates)
        low, high = np.quantile(rates, [0.25, 0.75])
        per_cpu = statistics.median(turn.rows / turn.cpu for turn in kept)
        lines.append(
            f"{name:<32}{len(kept):>6}{medians[name]:>12,.0f}"
            f"{f'{low:,.0f} to {high:,.0f}':>24}{per_cpu:>12,.0f}"
        )
    peers = [rate for name, rate in medians.items() if name.startswith("FuxiCTR")]
    if peers and "blocks" in medians:
        lines.append(
            f"blocks to the fastest loader of FuxiCTR: {medians['blocks'] / max(peers):.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
