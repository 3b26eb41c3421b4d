"""Draws with replacement, and the interval of what came of them.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13: the percentile
interval.
"""

import numpy as np

_PERCENT = (2.5, 97.5)


def drawn_counts(rng: np.random.Generator, count: int) -> np.ndarray:
    """How often each of some things is drawn in as many draws with replacement, float64 (count,).

    Args:
        rng: Draws nothing where there is one thing or none.
        count: Number of things.
    """
    drawn = rng.integers(0, count, count) if count else np.zeros(0, np.int64)
    return np.bincount(drawn, minlength=count).astype(np.float64)


def percentile_interval(drawn: np.ndarray) -> np.ndarray:
    """Lower and upper ends of 95 % intervals, (2, ...); nan where nothing is known.

    Args:
        drawn: What each sample gave, (samples, ...); nan where a sample does not define it.
    """
    if np.isnan(drawn).all():
        return np.full((2, *drawn.shape[1:]), np.nan)
    ends: np.ndarray = np.nanpercentile(drawn, _PERCENT, axis=0)
    return ends
