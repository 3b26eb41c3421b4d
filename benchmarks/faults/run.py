"""Attacks Concord as docs/reliability.md tells, and prints its table.

python benchmarks/faults/run.py
python benchmarks/faults/run.py --only "server" --times 2000
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults import commands, data_job, serving, training
from benchmarks.faults.workshop import Workshop

ATTACKS = (*data_job.ATTACKS, *training.ATTACKS, *commands.ATTACKS, *serving.ATTACKS)
ROWS = 20_000


def main() -> None:
    """Carries out the attacks; exit code 1 where one was not survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Attacks that have this in their name.")
    parser.add_argument("--times", type=int, help="How often, in place of the full length.")
    arguments = parser.parse_args()
    lost = False
    with tempfile.TemporaryDirectory(prefix="concord-faults-") as folder:
        workshop = Workshop(Path(folder), ROWS)
        print("| attack | tried | survived | s |\n|---|---|---|---|")
        for attack in ATTACKS:
            if arguments.only not in attack.name:
                continue
            started = time.monotonic()
            tried, failures = attack.carry_out(workshop, arguments.times or attack.times)
            seconds = time.monotonic() - started
            survived = tried - len(failures)
            print(f"| {attack.name} | {tried:,} | {survived:,} | {seconds:.0f} |", flush=True)
            for failure in failures:
                print(f"  not survived: {failure}", file=sys.stderr, flush=True)
            lost = lost or bool(failures)
    sys.exit(int(lost))


if __name__ == "__main__":
    main()
