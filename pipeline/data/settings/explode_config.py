"""Settings of `data.explode`: rows that show several items become a row an item."""

from pydantic import Field, model_validator

from features.config import StrictModel


class ExplodeConfig(StrictModel):
    """A log of sessions, each with a list of shown items, becomes one row for each shown item.

    Columns that are no lists are repeated; a list's column holds one of its values in each row.
    Give either `clicked`, or name a list of 0 and 1 in `aligned` and read it as the label.

    Args:
        items: Column with the list of shown items.
        aligned: Columns with lists as long as that of the items, such as their prices.
        clicked: Column with the item that was clicked, or a list of several; none where nothing
            was clicked. It is no column of the rows that are made: it tells their label.
        label: Name of the column that is 1 for clicked items and 0 for others; for `clicked`.
        position: Name of the column with an item's place in its list, from 1.
        session: Name of a column that tells the sessions apart, for logs that have none.
        separator: What separates values where lists are text, as in delimited files.
    """

    items: str = Field(min_length=1)
    aligned: tuple[str, ...] = ()
    clicked: str | None = None
    label: str = "label"
    position: str = "position"
    session: str | None = None
    separator: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "ExplodeConfig":
        names = [*self.read, *self.made]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"explode names {', '.join(map(repr, twice))} twice. Give items, aligned, clicked, "
                "label, position and session columns of their own."
            )
        if self.clicked is None and self.label != "label":
            raise ValueError(
                f"explode.label={self.label!r} names what explode.clicked tells, which is not "
                "given. Set explode.clicked, or remove explode.label and read a list of 0 and 1 "
                "in explode.aligned as the label."
            )
        return self

    @property
    def lists(self) -> tuple[str, ...]:
        """The columns whose values are told apart into rows."""
        return self.items, *self.aligned

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that the log must have."""
        return self.lists if self.clicked is None else (*self.lists, self.clicked)

    @property
    def made(self) -> tuple[str, ...]:
        """The columns that the log must not have."""
        names = (None if self.clicked is None else self.label, self.position, self.session)
        return tuple(name for name in names if name is not None)
