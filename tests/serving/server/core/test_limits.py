import threading
import time

import grpc
import pytest

from features.errors import ConfigError
from serving.server.core.limits import Admission
from serving.server.core.serving_error import ServingError


def test_more_than_the_most_are_refused_at_once_and_let_in_again_later():
    admission = Admission(2, 1)
    with admission.admit(), admission.admit():
        assert admission.inside == 2
        with pytest.raises(ServingError, match="2 requests are being answered") as caught:
            admission.admit().__enter__()
        assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    with admission.admit():
        assert admission.inside == 1
    assert admission.inside == 0


def test_an_error_inside_gives_its_place_and_turn_back():
    admission = Admission(1, 1)
    for _ in range(3):
        with pytest.raises(KeyError), admission.admit(), admission.turn():
            raise KeyError


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_turns_come_in_order_and_never_more_than_allowed_at_a_time(parallel):
    admission = Admission(100, parallel)
    order, most, now, lock = [], 0, 0, threading.Lock()
    gates = [admission.turn() for _ in range(parallel)]
    for gate in gates:
        gate.__enter__()

    def take(number):
        nonlocal most, now
        with admission.turn():
            with lock:
                order.append(number)
                now += 1
                most = max(most, now)
            time.sleep(0.001)
            with lock:
                now -= 1

    threads = [threading.Thread(target=take, args=(number,)) for number in range(12)]
    for number, thread in enumerate(threads):
        thread.start()
        while admission.waiting <= number:  # so that they ask in the order of their numbers
            time.sleep(0.0005)
    for gate in gates:
        gate.__exit__(None, None, None)
    for thread in threads:
        thread.join(10)
    assert most <= parallel
    assert sorted(order) == list(range(12))
    if parallel == 1:  # threads that run at the same time note themselves in any order
        assert order == list(range(12))


def test_limits_below_one_are_refused():
    with pytest.raises(ConfigError, match=r"begin at 1. Received: 0 and 2"):
        Admission(0, 2)
