"""One line a minute of what lasts: whoever reaches a port must not be able to fill a disk."""

import logging
import time

_SECONDS = 60.0


class SeldomLog:
    """Logs a warning, and leaves out what it has said in the last minute.

    Args:
        log: Where to.
        seconds: Time between two lines of one kind.
    """

    def __init__(self, log: logging.Logger, seconds: float = _SECONDS) -> None:
        self._log, self._seconds = log, seconds
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, text: str) -> None:
        """Logs `text`, unless there was a line of its kind a short time ago.

        Args:
            kind: One of few: they are kept for ever.
            text: What is to be told.
        """
        now = time.monotonic()
        if now < self._next.get(kind, 0.0):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        left_out = self._left_out.pop(kind, 0)
        self._log.warning("%s%s", text, f" ({left_out:,} more times since)" if left_out else "")
        self._next[kind] = now + self._seconds
