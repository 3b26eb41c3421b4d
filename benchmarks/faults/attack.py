"""An attack: how often it is tried, and what did not survive it."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.workshop import Workshop


@dataclass(frozen=True)
class Attack:
    """What is done to Concord.

    Args:
        name: In a few words.
        run: Called with the workshop, an empty folder and how often to try; returns how often it
            tried, and a line for each time that Concord did not survive.
        times: How often at full length.
        short: How often in the tests; 0: not there.
    """

    name: str
    run: Callable[[Workshop, Path, int], tuple[int, list[str]]]
    times: int
    short: int = 0

    def carry_out(self, workshop: Workshop, times: int) -> tuple[int, list[str]]:
        """Tries it, in a folder that is removed afterwards."""
        folder = Path(tempfile.mkdtemp(dir=workshop.folder, prefix="attack-"))
        try:
            return self.run(workshop, folder, times)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def failures_of(checks: dict[str, bool]) -> list[str]:
    """The names of the checks that do not hold."""
    return [name for name, holds in checks.items() if not holds]
