"""What a row of an embedding table holds: weights, and behind them the optimizer's state."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

_MARK = "_concord_table_rows"


class RowSlots(NamedTuple):
    """The columns that an optimizer wants behind the weights of a row, in this order.

    Example:
        >>> RowSlots(per_column=2, per_row=1).columns([10, 1])  # two moments and the last step
        23

    Args:
        per_column: Numbers kept for each weight.
        per_segment: Numbers kept for each segment: the columns of one embedding set, or one
            first-order weight.
        per_row: Numbers kept for the whole row.
        initial: What all of them start from.
    """

    per_column: int = 0
    per_segment: int = 0
    per_row: int = 0
    initial: float = 0.0

    def widths(self, segments: Sequence[int]) -> list[int]:
        """Columns of each slot, in their order."""
        return [
            *[sum(segments)] * self.per_column,
            *[len(segments)] * self.per_segment,
            *[1] * self.per_row,
        ]

    def columns(self, segments: Sequence[int]) -> int:
        """Columns of all slots together, for a row of these segments."""
        return sum(self.widths(segments))


class TableRows(NamedTuple):
    """The columns of a table's rows: [weights, segment by segment | slot | slot | ...].

    Args:
        segments: Number of weights of each segment.
        slots: What follows them.
    """

    segments: tuple[int, ...]
    slots: RowSlots = RowSlots()

    @property
    def weights(self) -> int:
        """Number of weights: the leading columns, which a gradient has values for."""
        return sum(self.segments)

    @property
    def columns(self) -> int:
        """Number of columns of the variable."""
        return self.weights + self.slots.columns(self.segments)


def mark_table(variable: tf.Variable, rows: TableRows) -> None:
    """Says that a variable is an embedding table, and what its rows hold.

    Args:
        variable: Variable of shape (rows, rows.columns); may be distributed or sharded.
        rows: What a row holds.

    Raises:
        ValueError: The variable has another shape.
    """
    if variable.shape.rank != 2 or variable.shape[1] != rows.columns:
        raise ValueError(
            f"mark_table: {variable.name} must have shape (rows, {rows.columns}): {rows.weights} "
            f"weights, then slots. Received: shape {tuple(variable.shape)}. Create it with "
            "TableRows.columns columns."
        )
    shards, replicas = getattr(variable, "variables", ()), getattr(variable, "values", ())
    for part in (variable, *shards, *replicas):
        setattr(part, _MARK, rows)


def table_rows(variable: tf.Variable) -> TableRows | None:
    """What `mark_table` said of a variable, or of the distributed one that it is a part of."""
    return getattr(variable, _MARK, None)


def row_slots(optimizer: object) -> RowSlots:
    """What an optimizer keeps inside the rows of tables; nothing for those that do not say."""
    return getattr(optimizer, "row_slots", RowSlots())


def plain_rows(variable: tf.Variable, slots: RowSlots) -> TableRows:
    """The rows of a variable that holds nothing but weights, if its slots were behind them.

    A variable of any rank is (shape[0], product of the rest); a scalar is (1, 1).
    """
    marked = table_rows(variable)
    segments = marked.segments if marked else (math.prod(variable.shape[1:]),)
    return TableRows(segments, slots)
