"""Decides how rows are split: checks the configured rule, and finds the limits it comes to."""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from features.errors import ConfigError
from features.feature_spec import TimeUnit
from features.specs import FeatureSet
from pipeline.data.analysis.histogram import AdaptiveHistogram, HistogramFn
from pipeline.data.settings.data_config import DataConfig, SplitConfig
from pipeline.data.sources.base import Source
from pipeline.data.sources.generated import GeneratedRows
from pipeline.data.splits.days import last_day, start_of

BY_TIME = ("time", "day")  # rules that come to a first moment of valid and of test


def check_split(data: DataConfig, features: FeatureSet, source: Source) -> None:
    """Refuses a rule that the features or the source cannot satisfy.

    Raises:
        ConfigError: Says what is missing.
    """
    split = data.split
    if features.timestamp is None and split.by in (*BY_TIME, "last"):
        raise ConfigError(
            f"split.by={split.by} needs a feature with `role: timestamp`, and none has it. Add "
            "one, or set data.split.by to hash."
        )
    if split.by != "files":
        return
    if isinstance(source.log, GeneratedRows) or not source.patterns_of_splits(split.files):
        raise ConfigError(
            f"split.by=files takes the publisher's files, and data.source={source.name!r} does not "
            "say which rows are for what. Set data.split.by to time, day, hash or last"
            + ("." if isinstance(source.log, GeneratedRows) else ", or name data.split.files.")
        )
    if data.log is not None:
        raise ConfigError(
            f"data.log={', '.join(data.log)} does not say which split a file belongs to. With "
            "split.by=files name the files of each in data.split.files instead."
        )


def hashes_rows(split: SplitConfig, source: Source) -> bool:
    """Whether rows need a hash: all of them, or those of training files to find valid ones."""
    if split.by == "files":
        return _takes_valid_from_train(split, source) and split.valid > 0
    return split.by == "hash"


def _takes_valid_from_train(split: SplitConfig, source: Source) -> bool:
    return split.validation == "clean" and "valid" not in source.patterns_of_splits(split.files)


def thresholds(histogram: AdaptiveHistogram, split: SplitConfig) -> tuple[int, int] | None:
    """First time of valid and of test, from shares of the rows; None where there are no rows.

    Exact up to 65,536 distinct times; beyond that a threshold is a multiple of the histogram's
    bin width.
    """
    test = histogram.cut(histogram.total * (1.0 - split.test))
    valid = test
    if split.validation == "clean":
        valid = histogram.cut(histogram.total * (1.0 - split.valid - split.test))
    return None if valid is None or test is None else (valid, test)


def day_limits(last: int, split: SplitConfig, unit: TimeUnit) -> tuple[int, int]:
    """First raw times of valid and of test.

    Args:
        last: The log's last day, in days since 1970-01-01, as `days.last_day` counts them.
        split: Says how many days are for what.
        unit: Unit of raw times.
    """
    test = last + 1 - split.test_days
    valid = test - (split.valid_days if split.validation == "clean" else 0)
    offset = split.utc_offset_hours
    return start_of(valid, unit, offset), start_of(test, unit, offset)


class SplitRule(beam.PTransform):
    """(key, RecordBatch) in; one dict out: the rule and its limits, for the metadata.

    Args:
        split: The configured rule.
        features: Tell which column holds the time, and its unit.
        source: Tells whether the files give validation rows.
        seed: Seed of a split by hash.

    Attributes:
        known: The rule, as far as it is known before any row was seen.
    """

    def __init__(self, split: SplitConfig, features: FeatureSet, source: Source, seed: int = 0):
        super().__init__()
        self._split = split
        published = split.validation == "published"
        self.known: dict[str, Any] = {"by": split.by, "validation": split.validation}
        if split.by == "files":
            takes_valid = _takes_valid_from_train(split, source)
            given = "valid" in source.patterns_of_splits(split.files)
            self.known["valid_is_test"] = published and not given
        else:
            self.known["valid_is_test"] = published
            takes_valid = not published and split.by in ("hash", "time") and not split.test_from
        if takes_valid:
            self.known["valid"] = split.valid
        if split.by in ("hash", "time") and not split.test_from:
            self.known["test"] = split.test
        if split.by == "last" or hashes_rows(split, source):
            self.known["key"] = split.key
        if hashes_rows(split, source):
            self.known["seed"] = seed
        if split.by not in BY_TIME:
            return
        timestamp = features.required("timestamp")
        self._time, self._unit = timestamp.raw_name, timestamp.unit
        self.known |= {"column": self._time, "unit": self._unit}
        self._given = split.starts(self._unit)
        self._first = split.first(self._unit)
        if self._first is not None:
            self.known["train_from"] = self._first
        if split.by == "day":
            self.known |= split.model_dump(include={"test_days", "utc_offset_hours"})
            if not published:
                self.known["valid_days"] = split.valid_days

    @property
    def complete(self) -> dict[str, Any] | None:
        """The rule with its limits, or None where they depend on the rows."""
        if self._split.by not in BY_TIME:
            return self.known
        if self._split.by == "day" or self._given is None:
            return None
        return self._from_starts(self._given)

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        if self.complete is not None:
            return blocks.pipeline | beam.Create([self.complete])
        if self._split.by == "day":
            return (
                blocks
                | "LastDays" >> beam.Map(self._last_day)
                | "LastDay" >> beam.CombineGlobally(_latest)
                | "Days" >> beam.Map(self._from_last_day)
            )
        return (
            blocks
            | "Times" >> beam.Map(self._times)
            | "Histogram" >> beam.CombineGlobally(HistogramFn())
            | "Thresholds" >> beam.Map(lambda histogram: thresholds(histogram, self._split))
            | "Rule" >> beam.Map(self._from_starts)
        )

    def _times(self, block: tuple[int, pa.RecordBatch]) -> np.ndarray:
        times = block[1].column(self._time).to_numpy()
        return times if self._first is None else times[times >= self._first]

    def _last_day(self, block: tuple[int, pa.RecordBatch]) -> int | None:
        times = block[1].column(self._time).to_numpy()
        return last_day(times, self._unit, self._split.utc_offset_hours)

    def _from_last_day(self, last: int | None) -> dict[str, Any]:
        limits = None if last is None else day_limits(last, self._split, self._unit)
        return self._from_starts(limits)

    def _from_starts(self, starts: tuple[int, int] | None) -> dict[str, Any]:
        valid_from, test_from = starts or (0, 0)
        return {**self.known, "valid_from": valid_from, "test_from": test_from}


def _latest(days: Iterable[int | None]) -> int | None:
    return max((day for day in days if day is not None), default=None)
