"""Mean and variance of numbers that arrive in blocks. No Beam in here."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared distances from the mean (`m2`), least and greatest value."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0

    @property
    def variance(self) -> float:
        """The population variance; 0 where there are no values."""
        return self.m2 / self.count if self.count else 0.0


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) ln(1 + |x|) of float64 numbers, as `transform: log` takes it."""
    return np.sign(values) * np.log1p(np.abs(values))


def moments_of(numbers: pa.Array, of_logarithms: bool = False) -> Moments:
    """Moments of the values that are not null, or of their sign(x) ln(1 + |x|), in float64."""
    values = numbers.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    if of_logarithms:
        values = signed_log(values)
    if not len(values):
        return Moments()
    mean = float(values.mean())
    m2 = float(np.square(values - mean).sum())
    return Moments(len(values), mean, m2, float(values.min()), float(values.max()))


def merged(parts: Iterable[Moments]) -> Moments:
    """Moments of all parts together.

    Rounding depends on the order of the parts: give them in one that does not change.

    Reference: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", COMPSTAT 1982, Eq. 2.1.
    """
    total = Moments()
    for part in parts:
        if not part.count:
            continue
        if not total.count:
            total = part
            continue
        count = total.count + part.count
        delta = part.mean - total.mean
        total = Moments(
            count,
            total.mean + delta * part.count / count,
            total.m2 + part.m2 + delta * delta * total.count * part.count / count,
            min(total.minimum, part.minimum),
            max(total.maximum, part.maximum),
        )
    return total
