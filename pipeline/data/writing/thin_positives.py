"""Fewer clicks to learn from, as in Table 7 of MBCnet (arXiv:2411.13057v2)."""

import numpy as np

_THIN = 7  # tells these draws from those of the shuffle


def kept_rows(labels: np.ndarray, split: str, key: int, share: float, seed: int) -> np.ndarray:
    """Which rows of a block stay: of the training rows that are positive a share, all others.

    A row's draw follows from the seed, the key of its block and its place there. The rows of a
    smaller share are among those of a larger one.

    Args:
        labels: Labels of the block, 0 for a negative one, of any shape with a row first.
        split: Its split.
        key: Its key.
        share: Share of the positives that stay, in (0, 1].
        seed: Seed of the draws.

    Returns:
        Bool (rows,).
    """
    draws = np.random.default_rng([_THIN, seed, key]).random(len(labels))
    positive = labels.reshape(len(labels), -1).any(axis=1)
    return (split != "train") | ~positive | (draws < share)
