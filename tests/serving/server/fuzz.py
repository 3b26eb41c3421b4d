"""What both fuzz tests share: damaged bytes, and a witness who asks while others send garbage."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.examples import num_examples

FUZZ = settings(
    max_examples=num_examples(30),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes after a few edits: cut, overwritten, put in, repeated, left out."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 8)))
        edit = draw(st.sampled_from(["cut", "overwrite", "repeat", "leave out"]))
        if edit == "cut":
            del data[start:]
        elif edit == "overwrite":
            data[start:stop] = draw(st.binary(max_size=8))
        elif edit == "repeat":
            data[start:start] = data[start:stop] * draw(st.integers(1, 50))
        else:
            del data[start:stop]
    return bytes(data)


def assert_sentence(message: str) -> None:
    """What a client is told is short, in one line, and shows nothing of the inside."""
    assert 10 < len(message) < 3000, message
    assert "\n" not in message, message
    for inside in ("Traceback", "site-packages", "{{node", "server failed", "/tfenv/"):
        assert inside not in message, message


@contextmanager
def witnesses(ask: Callable[[int], None], threads: int = 2) -> Iterator[None]:
    """Asks for known rows all the while; `ask(number)` raises where an answer is not that row's."""
    stop, done, errors = threading.Event(), [0] * threads, []

    def run(place: int) -> None:
        try:
            while not stop.is_set() or not done[place]:
                ask(place + done[place])
                done[place] += 1
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=[place]) for place in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join(120)
    assert not [thread for thread in running if thread.is_alive()], "a known request hangs"
    assert not errors, errors
