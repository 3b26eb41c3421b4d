"""Waiting for what other threads and processes do, however busy the machine is."""

import time
from collections.abc import Callable

_LIMIT = 300.0  # seconds, of which a machine that is not busy needs next to nothing


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns as soon as the condition holds; fails where it does not come to hold at all."""
    end = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < end, f"waited {_LIMIT:.0f} seconds in vain"
        time.sleep(0.01)
