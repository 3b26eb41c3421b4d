"""Information abundance: how many dimensions an embedding table really uses."""

import numpy as np

_ROWS_AT_ONCE = 65_536


def information_abundance(table: np.ndarray) -> float:
    """The sum of the singular values over the largest: IA(E) = ||sigma||_1 / ||sigma||_inf.

    Between 1, where all rows lie on a line (a collapsed table), and the number of columns, where
    they fill all dimensions alike.

    Reference: Guo et al., On the Embedding Collapse when Scaling up Recommendation Models,
    arXiv:2310.04400v2.

    Example:
        >>> round(information_abundance(np.eye(3)), 6)
        3.0

    Args:
        table: Float (rows, columns).

    Returns:
        The ratio; nan where the table is all zeros or has no row.
    """
    values = singular_values(table)
    return float(values.sum() / values[0]) if values.size and values[0] else float("nan")


def singular_values(table: np.ndarray) -> np.ndarray:
    """The singular values of a table of many rows and few columns, the largest first.

    From the eigenvalues of table^T table, summed in float64 over blocks of rows: it needs the
    memory of one block. Squaring costs precision of small values: each is right to about 1e-8 of
    the largest.

    Example:
        >>> singular_values(np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]])).round(6)
        array([3., 2.])

    Args:
        table: Float (rows, columns).

    Returns:
        float64 (min(rows, columns),).
    """
    if np.ndim(table) != 2:
        raise ValueError(
            "singular_values: `table` must be (rows, columns). "
            f"Received: an array of shape {np.shape(table)}."
        )
    rows, columns = table.shape
    gram = np.zeros((columns, columns))
    for start in range(0, rows, _ROWS_AT_ONCE):
        block = np.asarray(table[start : start + _ROWS_AT_ONCE], np.float64)
        gram += block.T @ block
    if not np.isfinite(gram).all():
        raise ValueError(
            "singular_values: `table` must be finite. It holds nan or infinite values, or their "
            "squares are."
        )
    squares = np.linalg.eigvalsh(gram)[::-1]
    return np.sqrt(np.maximum(squares, 0.0))[: min(rows, columns)]
