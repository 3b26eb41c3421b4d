"""How a version is loaded beside others that answer: so that their requests do not wait for it."""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_NICENESS = 10  # added to the process's: a tenth of the time that a request's thread gets
_SWITCH_SECONDS = 0.0002  # Python's own is 0.005, and a request asks for the interpreter many times

_T = TypeVar("_T")
_lock = threading.Lock()
_short: list[float] = []  # what the interval was, while somebody has it short


def at_once(call: Callable[[], _T]) -> _T:
    """What `call` returns: nobody else is there."""
    return call()


def at_low_priority(call: Callable[[], _T]) -> _T:
    """What `call` returns, computed by a thread that others take precedence over.

    For what computes outside of the interpreter, as TensorFlow does when it optimises a graph. A
    thread of low priority that holds Python's lock would let all others wait for it.
    """
    with ThreadPoolExecutor(1, "low priority", _lower) as pool:
        return pool.submit(call).result()


def _lower() -> None:
    """Only Linux has priorities of threads; elsewhere that of the process is left alone."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        lower = min(os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS, 19)
        os.setpriority(os.PRIO_PROCESS, thread, lower)


def set_aside_what_is_there() -> None:
    """Takes all that was imported so far out of garbage collection, for a process that serves.

    TensorFlow's modules are some 300,000 objects: a collection looks at all of them for a sixth
    of a second, in which nothing else runs, and frees a version that was closed just as well
    without them. What is garbage later on is found as ever.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def giving_way() -> Iterator[None]:
    """While the block runs, Python's lock passes on to waiting threads after a fraction of a
    millisecond: for what computes in the interpreter for long.
    """
    with _lock:
        if not _short:
            _short.append(sys.getswitchinterval())
            sys.setswitchinterval(min(_SWITCH_SECONDS, _short[0]))
        else:
            _short.append(_short[0])
    try:
        yield
    finally:
        with _lock:
            before = _short.pop()
            if not _short:
                sys.setswitchinterval(before)
