"""Seconds from typing a command to its answer, beside a bare `import tensorflow`.

python -m benchmarks.start.commands --rounds 7
python -m benchmarks.start.commands --rounds 7 --beside OTHER_CHECKOUT

Every command is started once in each round, one after the other, so that what else the machine
does meets all of them alike. A round before the first is not counted: it finishes the run, and
keeps what is kept. `--beside` starts each in another checkout of Concord, too, in turn.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CONFIG = "movielens_100k/mbcnet"
RUN = "runs/start_commands"  # trained before the first round, where it is not there
BARE = "import tensorflow"
# What is typed behind `python -m pipeline`, and the exit code that it has.
COMMANDS = (
    ("--help", 0),
    ("models", 0),
    ("models mbcnet", 0),
    (f"run --config {CONFIG} --set train.bacth_size=8", 2),
    (f"run --config {CONFIG} --preset mbcnt", 2),
    (f"run --config {CONFIG} --set train.epochs=0", 2),
    ("run --config gone.yaml", 2),
    (f"run --config {CONFIG} --set model.branches.deep.unitz=[8]", 2),
    (f"run --config {CONFIG} --out {RUN} --overwrite", 0),
    (f"build-bundle --config {CONFIG}", 0),
)


@dataclass(frozen=True)
class Side:
    """What is started.

    Args:
        name: What the table calls it.
        arguments: Behind the name of the interpreter.
        folder: Checkout of Concord that it is started in.
        code: Exit code that it has.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    code: int = 0

    def seconds(self) -> float:
        """Starts it once.

        Raises:
            RuntimeError: It ended otherwise than it should; what it measured is something else.
        """
        environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *self.arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode != self.code:
            raise RuntimeError(f"{self.name} ended with {done.returncode}: {done.stderr[-500:]}")
        return seconds


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="Starts of each command.")
    parser.add_argument("--beside", type=Path, help="Another checkout of Concord.")
    arguments = parser.parse_args()
    here = Path(__file__).resolve().parents[2]
    folders = [here] if arguments.beside is None else [arguments.beside.resolve(), here]
    bare = Side(BARE, ("-c", BARE), here)
    sides = [
        Side(words, ("-m", "pipeline", *shlex.split(words)), folder, code)
        for words, code in COMMANDS
        for folder in folders
    ]
    times: dict[Side, list[float]] = {side: [] for side in (bare, *sides)}
    for number in range(arguments.rounds + 1):
        for side, found in times.items():
            seconds = side.seconds()
            if number:
                found.append(seconds)
        print(f"round {number} of {arguments.rounds}", file=sys.stderr, flush=True)
    medians = {side: statistics.median(found) for side, found in times.items()}
    print(_table(medians, bare, folders))


def _table(medians: dict[Side, float], bare: Side, folders: list[Path]) -> str:
    """Markdown: a line for each command, seconds and share of the bare import in each folder."""
    titles = ["beside", "here"] if len(folders) > 1 else ["here"]
    columns = [f"{title}, s | of the import" for title in titles]
    lines = [f"| command | {' | '.join(columns)} |", "|---" * (1 + 2 * len(folders)) + "|"]
    for words, _ in COMMANDS:
        cells = []
        for folder in folders:
            side = next(each for each in medians if (each.name, each.folder) == (words, folder))
            cells += [f"{medians[side]:.2f}", f"{medians[side] / medians[bare]:.2f}"]
        lines.append(f"| `{words}` | {' | '.join(cells)} |")
    cells = ["", ""] * (len(folders) - 1) + [f"{medians[bare]:.2f}", "1"]
    lines.append(f"| `python -c '{BARE}'` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
