"""What is proposed for a column."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Column:
    """A feature of the proposal, or why the column makes none.

    Args:
        column: Name of the column in the data.
        settings: Settings of the feature as in YAML, without its name.
        reason: What was seen, in a few words; stands as a comment.
        left_out: Why it is no feature; None where it is one.
        suspect: Whether it was left out for leaking the label.
        auc: AUC of the label by this column alone, on rows that it was not fitted to.
    """

    column: str
    settings: dict[str, Any]
    reason: str
    left_out: str | None = None
    suspect: bool = False
    auc: float | None = None

    @property
    def kind(self) -> str:
        """Such as `numeric log2`."""
        words = (self.settings.get("kind", ""), self.settings.get("transform", ""))
        return " ".join(filter(None, words))

    def without(self, why: str, suspect: bool = False) -> "Column":
        """The same column, left out."""
        return replace(self, left_out=why, suspect=suspect)
