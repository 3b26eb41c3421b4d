"""Ctrl-C and SIGTERM end a command as an error does: what it began is cleaned up."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal asks the command to end. No error: whatever handles those must not handle this."""


class Received:
    """The signal that came, if one did. Libraries may have made another exception of it."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)  # a second one does not wait for the cleaning up
        raise Interrupted(self.signal.name)


def exit_by(asked: signal.Signals) -> NoReturn:
    """Ends the process as a command does that a signal ended: one line, 128 and its number."""
    print(f"{asked.name}: ended before it was done", file=sys.stderr)
    sys.exit(128 + asked)


@contextmanager
def ended_by_signals() -> Iterator[Received]:
    """Raises `Interrupted` in the block when a signal asks for its end. Not in other threads."""
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, received.note) for number in _ENDING}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
