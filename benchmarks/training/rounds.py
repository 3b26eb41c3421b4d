"""Alternating blocks of work, without those that another process disturbed; and their ratios."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """One block of training steps of one side.

    Args:
        steps: How many.
        seconds: Wall time.
        own_cpu: Processor seconds of the side's own processes.
        busy: Processor seconds of all processes, over all cores.
    """

    steps: int
    seconds: float
    own_cpu: float
    busy: float

    def foreign_share(self, cores: int) -> float:
        """The share of the cores' time that went to other processes."""
        return max(0.0, self.busy - self.own_cpu) / (self.seconds * cores)


@dataclass(frozen=True)
class Rounds:
    """Rounds in which every side had one block.

    Args:
        kept: Side -> block, for each undisturbed round.
        dropped: How many rounds other processes disturbed.
    """

    kept: tuple[Mapping[str, Block], ...]
    dropped: int

    def rates(self, side: str, batch: int) -> list[float]:
        """Examples per second of each round."""
        return [batch * each[side].steps / each[side].seconds for each in self.kept]

    def ratios(self, of: str, to: str) -> list[float]:
        """Speed of one side to that of another, within each round."""
        return [a / b for a, b in zip(self.rates(of, 1), self.rates(to, 1), strict=True)]


def busy_seconds(stat: str, ticks_per_second: int) -> float:
    """Processor seconds that were used since the start, by the first line of /proc/stat.

    Time that the host gave to other machines (steal) counts: it was not ours.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / ticks_per_second


def collect(
    sides: Sequence[str],
    run_block: Callable[[str], Block],
    wanted: int,
    limit: int,
    cores: int,
    threshold: float = 0.05,
) -> Rounds:
    """Runs rounds of one block a side, A B C A B C, until enough of them were undisturbed.

    A disturbed block ends its round at once.

    Args:
        sides: Their order within a round.
        run_block: Runs one block of a side.
        wanted: Undisturbed rounds.
        limit: Most rounds, disturbed ones included.
        cores: Cores of the machine.
        threshold: Share of the cores' time that other processes may have.
    """
    kept: list[Mapping[str, Block]] = []
    dropped = 0
    while len(kept) < wanted and len(kept) + dropped < limit:
        blocks: dict[str, Block] = {}
        for side in sides:
            blocks[side] = run_block(side)
            if blocks[side].foreign_share(cores) > threshold:
                dropped += 1
                break
        else:
            kept.append(blocks)
    return Rounds(tuple(kept), dropped)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile, interpolated between the values."""
    if len(values) == 1:
        return (values[0],) * 3
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third
