"""Times of sides that take turns, so that whatever else runs on the machine hits them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

Times = dict[str, list[float]]  # side -> the median of each round, in seconds


def interleaved(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    round_seconds: float,
    warm_up_calls: int = 5,
) -> Times:
    """Calls the sides in turn, A B C A B C, each many times over in its turn.

    Args:
        sides: Name -> what to time.
        rounds: Turns of each side.
        round_seconds: About how long a turn takes; at least three calls.
        warm_up_calls: Calls of each side beforehand, not counted.
    """
    calls = {}
    for name, call in sides.items():
        for _ in range(warm_up_calls):
            call()
        calls[name] = max(3, round(round_seconds / max(_seconds(call), 1e-6)))
    times: Times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            times[name].append(statistics.median(_seconds(call) for _ in range(calls[name])))
    return times


def p50(times: Times, side: str) -> float:
    """Median over the rounds of the round's median, in milliseconds."""
    return 1e3 * statistics.median(times[side])


def difference(times: Times, of: str, to: str) -> float:
    """Median over the rounds of how much longer one side takes than another, in milliseconds."""
    return 1e3 * statistics.median(a - b for a, b in zip(times[of], times[to], strict=True))


def ratio(times: Times, of: str, to: str) -> float:
    """Median over the rounds of one side's time by another's."""
    return statistics.median(a / b for a, b in zip(times[of], times[to], strict=True))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
