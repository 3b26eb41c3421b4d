import threading
import time

import pytest

from features.prefetch import mapped_ahead, prefetched


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_all_items_come_in_their_order(count):
    assert list(prefetched(iter(range(count)))) == list(range(count))


def test_what_the_iterator_raises_comes_behind_the_items_before_it():
    def broken():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    received = prefetched(broken())
    assert [next(received), next(received)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(received)


def test_items_are_made_while_others_are_used_and_no_more_than_asked_for():
    made, third = [], threading.Event()

    def items():
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    source = prefetched(items(), most=2)
    assert next(source) == 0
    assert third.wait(5)  # two wait in the queue, one more is made to wait for a place
    assert len(made) <= 4
    assert list(source) == list(range(1, 10))


def test_a_caller_that_stops_early_leaves_no_thread():
    before = threading.active_count()
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    source = prefetched(endless())
    next(source)
    source.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_their_items(count, workers):
    delays = [0.002 * (number % 3) for number in range(count)]

    def slowly(number):
        time.sleep(delays[number])
        return number * number

    results = mapped_ahead(slowly, iter(range(count)), workers)
    assert list(results) == [number * number for number in range(count)]


def test_as_many_items_are_worked_on_at_once_as_there_are_workers():
    both = threading.Barrier(2, timeout=10)
    assert len(list(mapped_ahead(lambda _: both.wait(), iter(range(4)), 2))) == 4


def test_errors_of_items_and_of_results_come_in_their_order():
    def broken():
        yield 1
        yield 0
        raise OSError("the disk is gone")

    results = mapped_ahead(lambda number: 1 / number, broken(), 2)
    assert next(results) == 1.0
    with pytest.raises(ZeroDivisionError):
        next(results)
    results = mapped_ahead(lambda number: number, broken(), 2)
    assert [next(results), next(results)] == [1, 0]
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)
