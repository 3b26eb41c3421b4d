"""Rows/s of `predict`, beside bare calls of the signature that it scores with.

    python -m benchmarks.serving.predict_rows RUN/export/1
    python -m benchmarks.serving.predict_rows RUN/export/1 --before WORKTREE_OF_AN_EARLIER_COMMIT

Rows are made up from the export's vocabularies. Every turn is a process of its own: `predict` of
CSV, JSON lines and Parquet, of this code and of the earlier one, and the bare call, on tensors that
are in memory already, alternate. Counted is the time beyond that of 5 rows, which is the start.
Ratios are taken within a round, and their median printed. Then one run each of N and 10 N rows
of CSV says whether memory grows.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving import predict_process
from benchmarks.serving.made_up_rows import write_rows
from features.bundle import read_metadata
from serving.export_format.export_layout import METADATA_ASSET

_FORMATS = ("csv", "jsonl", "parquet")
_HERE = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="version folder of an export")
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--before", type=Path, help="working tree of an earlier commit")
    parser.add_argument("--formats", nargs="+", default=_FORMATS, choices=_FORMATS)
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="speed alone")
    arguments = parser.parse_args()
    export = arguments.export.resolve()
    with tempfile.TemporaryDirectory() as folder:
        columns = read_metadata(export / METADATA_ASSET).features
        few, many, ten = (Path(folder, name) for name in ("few", "many", "ten"))
        formats = dict.fromkeys(("csv", *arguments.formats))
        sizes = [(few, 5, formats), (many, arguments.rows, formats)]
        if arguments.memory:
            sizes.append((ten, 10 * arguments.rows, dict.fromkeys(["csv"])))
        for path, rows, kinds in sizes:
            path.mkdir()
            write_rows(export, columns, rows, {kind: path / f"rows.{kind}" for kind in kinds})
        _speed(export, few, many, arguments)
        if arguments.memory:
            _memory(export, few, (many, ten))


def _speed(export: Path, few: Path, many: Path, arguments: argparse.Namespace) -> None:
    sides = {("bare", "now"): _HERE}
    for kind in arguments.formats:
        sides[kind, "now"] = _HERE
        if arguments.before is not None:
            sides[kind, "before"] = arguments.before.resolve()
    turns: dict[tuple[str, str], list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for (kind, when), code in sides.items():
            if kind == "bare":
                measured = _turn(code, ["bare", str(export), str(many / "rows.csv")])
            else:
                measured = _predict(code, export, few, many, kind)
            turns[kind, when].append(measured)
    print(f"{os.cpu_count()} cores. {arguments.rows:,} rows, {arguments.rounds} rounds.\n")
    print("| side | rows/s | to the bare call | to before | processor µs a row | start, s |")
    print("|---|---|---|---|---|---|")
    bare = turns["bare", "now"]
    for (kind, when), measured in turns.items():
        before = turns.get((kind, "before"), []) if when == "now" else []
        print(
            f"| {kind}{', before' if when == 'before' else ''} "
            f"| {statistics.median(map(_rate, measured)):,.0f} | {_ratio(measured, bare)} "
            f"| {_ratio(measured, before)} "
            f"| {statistics.median(1e6 * each['cpu'] / each['rows'] for each in measured):.1f} "
            f"| {statistics.median(each['start'] for each in measured):.1f} |"
        )


def _memory(export: Path, few: Path, folders: Sequence[Path]) -> None:
    print("\n| rows of CSV | most resident memory, MiB |\n|---|---|")
    for folder in folders:
        measured = _predict(_HERE, export, few, folder, "csv")
        print(f"| {measured['rows']:,} | {measured['resident'] / 2**20:,.0f} |", flush=True)


def _predict(code: Path, export: Path, few: Path, many: Path, kind: str) -> dict[str, float]:
    rows = [str(folder / f"rows.{kind}") for folder in (few, many)]
    return _turn(code, ["predict", str(export), *rows, str(many / "scores.jsonl")])


def _turn(code: Path, arguments: Sequence[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, predict_process.__file__, *arguments],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} in {code} failed, nothing was measured: {done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _rate(measured: dict[str, float]) -> float:
    return measured["rows"] / measured["seconds"]


def _ratio(measured: Sequence[dict[str, float]], others: Sequence[dict[str, float]]) -> str:
    """Median over the rounds of one side's rows/s by another's."""
    if not others:
        return ""
    pairs = zip(measured, others, strict=True)
    return f"{statistics.median(_rate(one) / _rate(other) for one, other in pairs):.2f}"


if __name__ == "__main__":
    main()
