"""How far measured metrics lie from what was measured before."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """A mean outside of its tolerance.

    Args:
        name: Configuration.
        metric: Such as `auc`.
        mean: What was measured.
        expected: What was measured before.
        tolerance: How far from it is still right.
    """

    name: str
    metric: str
    mean: float
    expected: float
    tolerance: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.metric} {self.mean:.4f} is {self.mean - self.expected:+.4f} from "
            f"{self.expected:.4f}, more than {self.tolerance:.4f}. Find the commit that changed "
            "it, or say why it is right and write it down with --measure."
        )


def deviations(
    name: str,
    expected: Mapping[str, Mapping[str, float]],
    measured: Mapping[str, Sequence[float]],
) -> list[Deviation]:
    """The metrics whose means lie outside of their tolerance.

    Args:
        name: Configuration.
        expected: Metric -> `mean` and `tolerance`.
        measured: Metric -> a value for each seed.
    """
    found = []
    for metric, wanted in expected.items():
        mean = statistics.mean(measured[metric])
        if not abs(mean - wanted["mean"]) <= wanted["tolerance"]:  # nan is outside too
            found.append(Deviation(name, metric, mean, wanted["mean"], wanted["tolerance"]))
    return found
