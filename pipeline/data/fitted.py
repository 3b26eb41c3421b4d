"""What the analysis hands on to the rest of the job."""

from dataclasses import dataclass

from features.analysis import Analysis


@dataclass(frozen=True)
class Fitted:
    """The analysis of the training rows.

    Args:
        analysis: For the preprocessing graph.
        rows: Split -> rows.
        problems: Why no bundle can be made of these rows: a sentence each.
    """

    analysis: Analysis
    rows: dict[str, int]
    problems: tuple[str, ...] = ()
