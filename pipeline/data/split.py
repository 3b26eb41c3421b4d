"""Splits by time: the thresholds from one pass over the times, then each block cut by them."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from features.bundle import SPLITS
from features.specs import FeatureSet
from pipeline.data.config import SplitConfig
from pipeline.data.histogram import AdaptiveHistogram, HistogramFn


def thresholds(histogram: AdaptiveHistogram, split: SplitConfig) -> tuple[int, int] | None:
    """First time of valid and of test, from shares of the rows; None where there are no rows.

    Exact up to 65,536 distinct times; beyond that a threshold is a multiple of the histogram's
    bin width.
    """
    valid = histogram.cut(histogram.total * (1.0 - split.valid - split.test))
    test = histogram.cut(histogram.total * (1.0 - split.test))
    return None if valid is None or test is None else (valid, test)


def split_rows(times: np.ndarray, valid_from: int, test_from: int) -> np.ndarray:
    """Index into `SPLITS` for each time, an int64 array of the same shape."""
    return np.searchsorted([valid_from, test_from], times, side="right")


class SplitRule(beam.PTransform):
    """(key, RecordBatch) in; one dict out: the rule and its thresholds, for the metadata.

    Args:
        split: The configured rule.
        features: Tell which column holds the time, and its unit.
    """

    def __init__(self, split: SplitConfig, features: FeatureSet):
        super().__init__()
        self._split = split
        self._time = features.timestamp.raw_name
        self._unit = features.timestamp.unit
        self._given = split.starts(self._unit)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        if self._given is not None:
            return blocks.pipeline | beam.Create([self._rule(self._given)])
        return (
            blocks
            | "Times" >> beam.Map(lambda block: block[1].column(self._time).to_numpy())
            | "Histogram" >> beam.CombineGlobally(HistogramFn())
            | "Thresholds" >> beam.Map(lambda found: self._rule(thresholds(found, self._split)))
        )

    def _rule(self, starts: tuple[int, int] | None) -> dict[str, Any]:
        valid_from, test_from = starts or (0, 0)
        shares = {} if self._given else {"valid": self._split.valid, "test": self._split.test}
        return {
            "by": self._split.by,
            **shares,
            "column": self._time,
            "unit": self._unit,
            "valid_from": valid_from,
            "test_from": test_from,
        }


def cut_block(
    block: tuple[int, pa.RecordBatch], rule: dict[str, Any]
) -> Iterator[tuple[int, str, pa.RecordBatch]]:
    """The rows of a block by split, in their order; keys stay unique."""
    key, rows = block
    times = rows.column(rule["column"]).to_numpy()
    where = split_rows(times, rule["valid_from"], rule["test_from"])
    for index, name in enumerate(SPLITS):
        inside = np.flatnonzero(where == index)
        if len(inside):
            part = rows if len(inside) == len(rows) else rows.take(pa.array(inside))
            yield key << 2 | index, name, part
