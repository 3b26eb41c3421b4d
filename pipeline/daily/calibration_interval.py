"""How far a calibration would lie elsewhere if other rows had been drawn."""

import numpy as np

from pipeline.evaluation.bootstrap import drawn_counts, percentile_interval


def calibration_interval(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray, samples: int, seed: int = 0
) -> list[float]:
    """A 95 % interval of predicted over observed clicks; rows are drawn with replacement.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Probabilities, (rows,).
        weights: How often each row counts, (rows,).
        samples: Number of times that rows are drawn.
        seed: Seed of the drawing.

    Returns:
        Lower and upper end; nan twice where nothing was clicked in any sample.
    """
    rng = np.random.default_rng(seed)
    predicted, observed = weights * probs, weights * labels
    ratios = np.full(samples, np.nan)
    for sample in range(samples):
        counts = drawn_counts(rng, len(labels))
        clicks = counts @ observed
        if clicks:
            ratios[sample] = counts @ predicted / clicks
    return [float(end) for end in percentile_interval(ratios)]
