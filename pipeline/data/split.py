"""Splits by time, with thresholds from one pass over the times, or by a hash; cuts each block."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.bundle import SPLITS
from features.specs import FeatureSet
from pipeline.data.config import SplitConfig
from pipeline.data.histogram import AdaptiveHistogram, HistogramFn
from pipeline.data.read_rows import POSITION_BITS
from pipeline.data.stable_hash import as_share, seeded_hash, stable_hash
from pipeline.data.working import POSITION, SPLIT_HASH, text


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


def with_split_hash(
    block: tuple[int, pa.RecordBatch], seed: int, key: str | None
) -> tuple[int, pa.RecordBatch]:
    """Puts what chooses a row's split, `SPLIT_HASH`, in place of its `POSITION`.

    Args:
        block: Key from `read_rows.block_key`, and rows with `POSITION` or, if `key` is given, its
            text.
        seed: Two seeds split differently.
        key: Column whose equal values stay together; missing is a value like another. None hashes
            the place of each row: its file and its line, bad lines counted too.
    """
    number, rows = block
    if key is None:
        files = np.uint64(number >> POSITION_BITS << POSITION_BITS)
        places = files | rows.column(POSITION).to_numpy().astype(np.uint64)
        rows = rows.drop_columns([POSITION])
    else:
        places = stable_hash(pc.fill_null(rows.column(text(key)), ""))
    return number, rows.append_column(SPLIT_HASH, pa.array(seeded_hash(places, seed)))


def split_hashes(hashes: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Index into `SPLITS` for each uint64 hash; `valid` and `test` are shares of all hashes."""
    return np.searchsorted([1.0 - valid - test, 1.0 - test], as_share(hashes), side="right")


class SplitRule(beam.PTransform):
    """(key, RecordBatch) in; one dict out: the rule and its thresholds, for the metadata.

    Args:
        split: The configured rule.
        features: Tell which column holds the time, and its unit.
        seed: Of a split by hash.
    """

    def __init__(self, split: SplitConfig, features: FeatureSet, seed: int = 0):
        super().__init__()
        self._split = split
        self._seed = seed
        if split.by == "hash":
            return
        self._time = features.timestamp.raw_name
        self._unit = features.timestamp.unit
        self._given = split.starts(self._unit)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        if self._split.by == "hash":
            rule = self._split.model_dump(include={"by", "key", "valid", "test"})
            return blocks.pipeline | beam.Create([{**rule, "seed": self._seed}])
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
    if rule["by"] == "hash":
        hashes = rows.column(SPLIT_HASH).to_numpy()
        where = split_hashes(hashes, rule["valid"], rule["test"])
        rows = rows.drop_columns([SPLIT_HASH])
    else:
        times = rows.column(rule["column"]).to_numpy()
        where = split_rows(times, rule["valid_from"], rule["test_from"])
    for index, name in enumerate(SPLITS):
        inside = np.flatnonzero(where == index)
        if len(inside):
            part = rows if len(inside) == len(rows) else rows.take(pa.array(inside))
            yield key << 2 | index, name, part
