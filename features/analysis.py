"""What one pass over the training rows finds out: the fitted state of the preprocessing graph."""

from features.config import StrictModel


class NumericSummary(StrictModel):
    """Moments and bucket boundaries of a numeric feature over the training rows.

    Args:
        count: Rows that have a value.
        mean: Mean of those values.
        variance: Population variance of those values.
        minimum: Least value.
        maximum: Greatest value.
        boundaries: Limits of `quantiles`: strictly increasing; a value's bucket is the number of
            boundaries that are at most the value.
    """

    count: int
    mean: float = 0.0
    variance: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    boundaries: tuple[float, ...] = ()


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
