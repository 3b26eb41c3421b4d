"""What the analysis hands on to the rest of the job."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.analysis import Analysis


@dataclass(frozen=True)
class Fitted:
    """The analysis of the training rows.

    Args:
        analysis: For the preprocessing graph.
        rows: Split -> rows.
        problems: Why no bundle can be made of these rows: a sentence each.
        vocabulary_changes: Vocabulary -> what an earlier bundle's knew of the training rows;
            empty without `data.vocabularies`.
    """

    analysis: Analysis
    rows: dict[str, int]
    problems: tuple[str, ...] = ()
    vocabulary_changes: Mapping[str, dict[str, int]] = field(default_factory=dict)
