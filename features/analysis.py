"""What one pass over the training rows finds out: the fitted state of the preprocessing graph."""

import numpy as np

from features.config import StrictModel


class NumericSummary(StrictModel):
    """Moments and bucket boundaries of a numeric feature over the training rows.

    Under `transform: log` the moments, and least and greatest value, are those of the logarithms.
    Those of an embedding are of all numbers of its vectors, but for vectors of zeros.

    Args:
        count: Rows that have a value.
        mean: Mean of those values.
        variance: Population variance of those values.
        minimum: Least value.
        maximum: Greatest value.
        boundaries: Limits of `quantiles` and `piecewise`: strictly increasing; a value's bucket is
            the number of boundaries that are at most the value.
    """

    count: int
    mean: float = 0.0
    variance: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    boundaries: tuple[float, ...] = ()

    @property
    def edges(self) -> tuple[float, ...]:
        """Limits of the pieces of `piecewise`, two or more, strictly increasing float32 numbers.

        The least and the greatest value are the ends; where they are the same the piece has the
        length 1.
        """
        ends = (float(np.float32(self.minimum)), float(np.float32(self.maximum)))
        edges = sorted({*ends, *self.boundaries})
        if len(edges) == 1:
            edges.append(max(edges[0] + 1.0, float(np.nextafter(np.float32(edges[0]), np.inf))))
        return tuple(edges)


class Analysis(StrictModel):
    """Sizes of the vocabularies and summaries of the numeric features.

    The tokens themselves lie in files, `vocabularies/<name>.txt`, one a line, in the order of
    their ids.

    Args:
        vocabulary_sizes: Vocabulary -> tokens in its file.
        numeric: Feature -> its summary.
    """

    vocabulary_sizes: dict[str, int] = {}
    numeric: dict[str, NumericSummary] = {}
