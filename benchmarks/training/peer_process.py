"""The loop of a worker: one side of the training benchmark, driven over pipes.

    build SPEC   builds the side from a JSON object   -> {"settings": {...}}
    block STEPS  trains so many steps                 -> {"seconds": ..., "cpu": ..., "peak": ...}

Requests come on standard input; replies are JSON, one a line, on a pipe of their own: libraries
print to standard output whenever they like.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

REPLIES = "CONCORD_BENCHMARK_REPLIES"  # variable with the number of the pipe's descriptor
_SET_PARENT_DEATH_SIGNAL = 1  # <sys/prctl.h>


class Trainer(Protocol):
    """A model that is ready to train.

    Attributes:
        settings: What to print of it beside its speed.
    """

    settings: dict[str, Any]

    def train(self, steps: int) -> None:
        """Trains on the next batches and returns when all of it is done."""


def serve(build: Callable[[Mapping[str, Any]], Trainer]) -> None:
    """Answers requests until standard input ends."""
    die_with_parent()
    replies = os.fdopen(int(os.environ[REPLIES]), "w", buffering=1)
    trainer: Trainer | None = None
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        if verb == "build":
            trainer = build(json.loads(argument))
            reply = {"settings": trainer.settings}
        elif verb == "block" and trainer is not None:
            reply = _timed(trainer, int(argument))
        else:
            raise ValueError(f"Expected 'build SPEC', then 'block STEPS'. Received: {line!r}.")
        replies.write(json.dumps(reply) + "\n")


def _timed(trainer: Trainer, steps: int) -> dict[str, float]:
    cpu, started = time.process_time(), time.perf_counter()
    trainer.train(steps)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # bytes
    }


def die_with_parent() -> None:
    """A worker is stopped while it is idle, and could not see that its driver is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
