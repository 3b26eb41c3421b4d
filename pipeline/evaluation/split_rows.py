"""Rows of a bundle as arrays in memory."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from features.bundle import Bundle
from pipeline.batches.dataset import column_arrays

Inputs = Mapping[str, np.ndarray]


class SplitRows(NamedTuple):
    """A split in memory, in the order of its files.

    Args:
        inputs: Input -> array (rows,) or (rows, length).
        labels: float64 (rows,).
    """

    inputs: Inputs
    labels: np.ndarray


def split_rows(bundle: Bundle, split: str) -> SplitRows:
    """Reads all rows of a split."""
    label = bundle.metadata.features.required("label").name
    names = [spec.name for spec in bundle.metadata.model_inputs()]
    columns = column_arrays(bundle, split, [label, *names])
    return SplitRows({name: columns[name] for name in names}, columns[label].astype(np.float64))
