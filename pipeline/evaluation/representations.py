"""The branches' representations of some rows: unit by unit, and in two dimensions."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

_CONSTANT = 1e-6  # of a unit's largest value: a smaller deviation is rounding


def unit_strengths(representations: np.ndarray, widths: Sequence[int]) -> list[list[float]]:
    """The mean over the rows of the softmax over each branch's units.

    Reference: MBCnet, arXiv:2411.13057v2, section B.1 and Figure 6.

    Args:
        representations: (rows, n, d), narrower branches ending in zeros.
        widths: Units of each branch, (n,).

    Returns:
        By branch a share for each of its units; each branch's add up to 1.
    """
    found = []
    for position, width in enumerate(widths):
        z = representations[:, position, :width].astype(np.float64)
        shares = np.exp(z - z.max(axis=1, keepdims=True))
        found.append(np.mean(shares / shares.sum(axis=1, keepdims=True), axis=0).tolist())
    return found


def live_unit_correlations(
    representations: np.ndarray, widths: Sequence[int]
) -> tuple[np.ndarray, list[int]]:
    """|Pearson's r| of every unit with every other, over the rows; constant units are left out.

    Args:
        representations: (rows, n, d), narrower branches ending in zeros.
        widths: Units of each branch, (n,).

    Returns:
        float64 (live units, live units), those of one branch side by side, and the number of live
        units of each branch.
    """
    columns = []
    for position, width in enumerate(widths):
        z = representations[:, position, :width].astype(np.float64)
        live = z.std(axis=0) > _CONSTANT * np.abs(z).max(axis=0, initial=0.0)
        columns.append(z[:, live])
    together = np.concatenate(columns, axis=1)
    centred = together - together.mean(axis=0)
    centred /= np.sqrt(np.sum(centred**2, axis=0))
    return np.abs(centred.T @ centred), [column.shape[1] for column in columns]


def missing_for_two_dimensions() -> str | None:
    """What is missing to draw representations in two dimensions; None where it can be done."""
    if find_spec("sklearn") is None:
        return (
            "the representations are not drawn in two dimensions, which needs scikit-learn: "
            "pip install 'concord-ctr[report]'"
        )
    return None


def in_two_dimensions(representations: np.ndarray, seed: int = 0) -> np.ndarray:
    """The representations of all branches in one plane, near where they are alike, by t-SNE.

    Reference: van der Maaten and Hinton, Journal of Machine Learning Research 9 (2008).

    Args:
        representations: (rows, n, d); more than 30 rows.
        seed: Seed of t-SNE.

    Returns:
        float64 (rows, n, 2).
    """
    from sklearn.manifold import TSNE  # a second to import
    from threadpoolctl import threadpool_limits

    rows, n, d = representations.shape
    flat = representations.astype(np.float64).reshape(rows * n, d)
    # More than the number of points is no perplexity; and distances of 0 only have no axes.
    options: dict[str, Any] = {"init": "pca" if np.ptp(flat) > 0.0 and d > 1 else "random"}
    perplexity = min(30.0, (rows * n - 1) / 3.0)
    plane = TSNE(perplexity=perplexity, max_iter=500, random_state=seed, **options)
    # One thread: for so few points more only wait for each other, and add up in another order.
    with threadpool_limits(1):
        return plane.fit_transform(flat).reshape(rows, n, 2).astype(np.float64)
