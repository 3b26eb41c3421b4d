"""Rows as the columns that boosted trees read."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from features.inputs import InputSpec
from pipeline.evaluation.split_rows import Inputs


class TreeColumns(NamedTuple):
    """What boosted trees read of rows.

    Args:
        values: float64 (rows, columns).
        names: Names of the columns.
        tokens: Positions of the columns whose values are ids.
    """

    values: np.ndarray
    names: list[str]
    tokens: list[int]


def tree_columns(inputs: Inputs, specs: Sequence[InputSpec]) -> TreeColumns:
    """A column for each number and each token; of a list its first token, and its length.

    Vectors that are given for an item are a column for each of their numbers.
    """
    columns: list[tuple[str, np.ndarray, bool]] = []
    for spec in specs:
        values = inputs[spec.name]
        if spec.kind in ("multivalued", "sequence"):
            columns.append((f"{spec.name} (first)", values[:, 0], True))
            columns.append((f"{spec.name} (length)", (values > 0).sum(axis=1), False))
        elif spec.kind == "categorical":
            columns.append((spec.name, values, True))
        else:
            flat = values.reshape(len(values), -1)
            columns += [(spec.name, column, False) for column in flat.T]
    tokens = [place for place, (_, _, is_token) in enumerate(columns) if is_token]
    values = np.stack([column.astype(np.float64) for _, column, _ in columns], axis=1)
    return TreeColumns(values, [name for name, _, _ in columns], tokens)
