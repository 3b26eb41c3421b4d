"""The driver's end of a worker process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.training.peer_process import REPLIES
from benchmarks.training.rounds import Block, busy_seconds

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class WorkerError(RuntimeError):
    """A side failed; the message ends with what it printed last."""


class Worker:
    """A side in a process of its own, stopped (SIGSTOP) whenever it is not asked for something.

    So no thread that waits, spins or prefetches takes a core from the side that is timed.

    Args:
        module: What to run, such as `benchmarks.training.peers.concord`.
        python: The interpreter.
        log: Where what the process prints goes.
        environment: Variables to set.
    """

    def __init__(self, module: str, python: str, log: Path, environment: Mapping[str, str]):
        self.module, self._log = module, log
        read, write = os.pipe()
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [python, "-m", module],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[write],
                text=True,
                bufsize=1,
                cwd=Path(__file__).parents[2],
                env={**os.environ, **environment, REPLIES: str(write)},
            )
        os.close(write)
        self._replies = os.fdopen(read)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def build(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Builds the side; returns its settings."""
        return self._ask(f"build {json.dumps(spec)}")["settings"]

    def block(self, steps: int) -> tuple[Block, int]:
        """Trains; returns the block and the most bytes that the process ever had in memory."""
        before = _busy()
        reply = self._ask(f"block {steps}")
        block = Block(steps, reply["seconds"], reply["cpu"], _busy() - before)
        return block, int(reply["peak"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()  # ends a stopped process too
        self._process.wait()
        self._process.stdin.close()
        self._replies.close()

    def _ask(self, request: str) -> dict[str, Any]:
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(request + "\n")
            line = self._replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            words = self._log.read_text().strip().splitlines()[-15:]
            raise WorkerError(
                f"{self.module} ended with code {self._process.returncode} at "
                f"'{request[:200]}':\n" + "\n".join(words)
            )
        self._process.send_signal(signal.SIGSTOP)
        return json.loads(line)


def cores() -> int:
    """Cores of the machine."""
    return os.cpu_count() or 1


def wait_for_quiet(threshold: float, seconds: float, patience: float = 60.0) -> None:
    """Waits, at most `patience` seconds, until other processes leave the processor alone."""
    if sys.platform != "linux":
        return
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = _busy()
        time.sleep(seconds)
        if _busy() - before <= threshold * seconds * cores():
            return


def _busy() -> float:
    return busy_seconds(Path("/proc/stat").read_text(), _TICKS_PER_SECOND)
