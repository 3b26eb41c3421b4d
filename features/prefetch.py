"""Makes the next items of an iterator while the last ones are still being worked on."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def prefetched(items: Iterator[T], most: int = 2) -> Generator[T, None, None]:
    """The same items in their order, made in a thread of their own.

    Worth it where making an item spends its time outside Python, as Arrow's parsers do. What the
    iterator raises is raised here, behind the items before it. A caller that stops early stops
    the thread, behind the item that it is at.

    Args:
        items: Used by the thread alone.
        most: Items that wait to be taken, at most.
    """
    made: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(most)
    stopped = threading.Event()

    def put(item: object, error: BaseException | None = None) -> bool:
        while not stopped.is_set():
            try:
                made.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:
            put(_END, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stopped.set()
        thread.join()


def mapped_ahead(
    function: Callable[[T], R], items: Iterator[T], workers: int
) -> Generator[R, None, None]:
    """What a function makes of items, in their order, of as many at once as there are workers.

    What the iterator or the function raises is raised behind the results of the items before.

    Args:
        function: Called in other threads than this one.
        items: Used by this thread alone, one item beyond those that the workers are at.
        workers: Number of threads.
    """
    with ThreadPoolExecutor(workers) as pool:

        def results() -> Iterator[Future[R]]:
            try:
                for item in items:
                    yield pool.submit(function, item)
            except Exception as error:
                failed: Future[R] = Future()
                failed.set_exception(error)
                yield failed

        waiting: deque[Future[R]] = deque()
        for result in results():
            waiting.append(result)
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
