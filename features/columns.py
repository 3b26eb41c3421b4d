"""The columns that a bundle's records store: one for each feature, with its type and shape."""

from typing import Literal

import numpy as np

from features.config import StrictModel
from features.specs import FeatureSet, FeatureSpec

Layout = Literal["block", "row"]


class Column(StrictModel):
    """One column of a bundle.

    Args:
        name: The feature's name.
        dtype: Type of its elements.
        length: Padded length, where rows hold lists of ids of different lengths.
        dimension: Length of a dense vector.
    """

    name: str
    dtype: Literal["int32", "int64", "float32"]
    length: int | None = None
    dimension: int | None = None

    @property
    def little_endian(self) -> np.dtype:
        return np.dtype(self.dtype).newbyteorder("<")


def columns_of(features: FeatureSet) -> tuple[Column, ...]:
    """The columns that the preprocessing graph delivers, in the order of declaration."""
    return tuple(_column_of(spec) for spec in features.features.values())


def _column_of(spec: FeatureSpec) -> Column:
    if spec.role in ("group_key", "timestamp"):
        return Column(name=spec.name, dtype="int64")
    if spec.kind == "embedding":
        return Column(name=spec.name, dtype="float32", dimension=spec.dimension)
    if spec.kind == "numeric" and not spec.is_bucketed:
        return Column(name=spec.name, dtype="float32")
    return Column(name=spec.name, dtype="int32", length=spec.max_length)
