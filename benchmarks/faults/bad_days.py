"""Days of a small log with planted tastes, some of them bad: what `daily` makes of each.

python -m benchmarks.faults.bad_days
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.pipeline.daily.small_days import write_config, write_day

ROWS = 4_000
# The rules are as wide as a thousand test rows need; the limits of the data are the defaults.
SETTINGS = (
    "train.recalibration=platt",
    "daily.check={min_rows: 1000, l_infinity: 0.1}",
    "daily.bless={judge_by: interval, slices: [], normalized_entropy: 1.0, auc_fall: 0.05}",
)
Lines = list[str]


def as_it_is(lines: Lines) -> Lines:
    return lines


def shuffled_labels(lines: Lines) -> Lines:
    rows = [line.split(",") for line in lines[1:]]
    labels = [row[4] for row in rows]
    random.Random(1).shuffle(labels)
    shuffled = [[*row[:4], label, *row[5:]] for row, label in zip(rows, labels, strict=True)]
    return [lines[0], *map(",".join, shuffled)]


def doubled_rows(lines: Lines) -> Lines:
    return lines + lines[1:]


def a_column_gone(lines: Lines) -> Lines:
    return [",".join(cell for i, cell in enumerate(line.split(",")) if i != 3) for line in lines]


def an_exploding_vocabulary(lines: Lines) -> Lines:
    rows = [line.replace(",i", f",i9{number % 1500}", 1) for number, line in enumerate(lines[1:])]
    return [lines[0], *rows]


def no_rows(lines: Lines) -> Lines:
    return lines[:1]


DAYS: tuple[Callable[[Lines], Lines], ...] = (
    as_it_is,
    as_it_is,
    shuffled_labels,
    doubled_rows,
    a_column_gone,
    an_exploding_vocabulary,
    no_rows,
    as_it_is,
)


def main() -> None:
    """Prints a row for each day: its number, what it is, exit code, seconds, and reasons."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_config(folder)
        print("| day | what it is | exit code | s | reasons |\n|---|---|---|---|---|")
        for number, change in enumerate(DAYS, start=1):
            path = write_day(folder / "logs", number, ROWS)
            path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
            command = [sys.executable, "-m", "pipeline", "daily", "--config", str(config)]
            command += ["--day", path.stem, "--state", "state"]
            for setting in SETTINGS:
                command += ["--set", setting]
            started = time.monotonic()
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True
            )
            seconds = time.monotonic() - started
            history = (folder / "state" / "history.jsonl").read_text().splitlines()
            reasons = "; ".join(json.loads(history[-1])["reasons"])
            what = change.__name__.replace("_", " ")
            print(
                f"| {number} | {what} | {done.returncode} | {seconds:.0f} | {reasons} |", flush=True
            )


if __name__ == "__main__":
    main()
