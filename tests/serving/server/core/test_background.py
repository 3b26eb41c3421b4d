"""What loads beside others gives way to them, and leaves nothing changed behind."""

import gc
import os
import sys
import threading

import pytest

from serving.server.core.background import (
    at_low_priority,
    giving_way,
    set_aside_what_is_there,
)


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux alone")
def test_only_the_thread_that_computes_gets_a_lower_priority():
    before = niceness()
    assert at_low_priority(niceness) == min(before + 10, 19)
    assert niceness() == before
    assert at_low_priority(threading.get_ident) != threading.get_ident()


def test_errors_come_through():
    with pytest.raises(ZeroDivisionError):
        at_low_priority(lambda: 1 // 0)


def test_the_interval_is_short_until_the_last_one_ends():
    before = sys.getswitchinterval()
    with giving_way():
        with giving_way():
            assert sys.getswitchinterval() < before
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


def test_what_is_there_is_looked_at_no_more():
    try:
        set_aside_what_is_there()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()
