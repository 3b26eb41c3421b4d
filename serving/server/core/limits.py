"""How many requests are let in at once, and in which order they compute."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from features.errors import ConfigError
from serving.server.core.serving_error import exhausted

_REFUSAL = (
    "{most} requests are being answered, which is the most at a time. Try again later, or raise "
    "--max-concurrency."
)


class Admission:
    """Lets a bounded number of requests in, and refuses the rest at once.

    Waiting without bound would answer nobody in time: every request then waits longer than its
    client does. Of those let in, `parallel` compute at a time, in the order in which they came:
    left to the operating system, a few wait long while others overtake them.

    Args:
        most: Requests that may be inside, computing or waiting.
        parallel: Requests that may compute at a time.
        refusal: What one more is told; `{most}` stands for how many may be inside.
    """

    def __init__(self, most: int, parallel: int = 1, refusal: str = _REFUSAL) -> None:
        if most < 1 or parallel < 1:
            raise ConfigError(f"limits of requests begin at 1. Received: {most} and {parallel}.")
        self._most = most
        self._refusal = refusal
        self._inside = 0
        self._free = parallel
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Counts a request while it is inside.

        Raises:
            ServingError: RESOURCE_EXHAUSTED, where too many are.
        """
        with self._lock:
            if self._inside >= self._most:
                raise exhausted(self._refusal.format(most=f"{self._most:,}"))
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    @property
    def inside(self) -> int:
        """Requests that are inside now."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Requests that are inside and wait for their turn to compute."""
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Holds one of the turns to compute, once those who asked before have had theirs."""
        gate = None
        with self._lock:
            if self._free:
                self._free -= 1
            else:
                gate = threading.Lock()
                gate.acquire()
                self._waiting.append(gate)
        if gate is not None:
            gate.acquire()  # released by who passes the turn on
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().release()
                else:
                    self._free += 1
