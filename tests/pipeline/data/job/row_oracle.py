"""What a bundle must hold of raw rows, one value at a time: slow, and easy to check by eye."""

import math
from collections import Counter

import numpy as np
import tensorflow as tf

from features.specs import FeatureSet, FeatureSpec

GARBAGE = object()  # a value that no feature can use: its row must be rejected

# Text -> the number it stands for. Arrow and Python disagree about some of them.
NUMBERS = {
    None: None,
    "": None,
    "0": 0.0,
    "-0.0": -0.0,
    "1": 1.0,
    " 2.5": 2.5,
    "4": 4.0,
    "1e3": 1000.0,
    "-3.25": -3.25,
    "65536": 65536.0,
    "0.1": 0.1,
    "x": GARBAGE,
    "1_000": GARBAGE,
    "nan": GARBAGE,
    "1e39": GARBAGE,
    "0x1F": GARBAGE,
}
TIMES = {
    None: None,
    "": None,
    "0": 0,
    "-5": -5,
    "7.0": 7,
    "1650000000": 1_650_000_000,
    "1650012345678": 1_650_012_345_678,
    "x": GARBAGE,
    "1.5": 1,  # the second that it lies in
    "0x1F": GARBAGE,
    "9" * 25: GARBAGE,
}


class RowOracle:
    """Rows are dicts of column -> text, list of text, or list of numbers; None is missing.

    Args:
        features: What the columns mean.
        splits: The first time of valid and of test.
    """

    def __init__(self, features: FeatureSet, splits: tuple[int, int]):
        self.features = features
        self._splits = splits

    def typed(self, row: dict) -> dict | None:
        """Raw name -> typed value; None for a row that must be rejected."""
        found = {}
        for spec in self.features.features.values():
            if spec.history:
                continue
            value = _typed(row[spec.column], spec)
            if value is GARBAGE or not _fits_role(value, spec):
                return None
            found[spec.raw_name] = value
        return found

    def split(self, row: dict) -> str:
        valid, test = self._splits
        time = int(row["time"])
        return "train" if time < valid else "valid" if time < test else "test"

    def histories(self, rows: list[dict]) -> list[dict[str, list]]:
        """For each row, sequence -> tokens of the events strictly before it, oldest first."""
        sequences = [spec for spec in self.features.features.values() if spec.history]
        return [
            {
                spec.name: [
                    event[spec.column]
                    for event in sorted(rows, key=lambda each: int(each["time"]))
                    if event["user"] == row["user"]
                    and int(event["time"]) < int(row["time"])
                    and (
                        (where := self.features.histories[spec.history].where) is None
                        or event[where] == "1"
                    )
                ][-spec.max_length :]
                for spec in sequences
            }
            for row in rows
        ]

    def vocabularies(self, train: list[dict]) -> dict[str, list[str]]:
        """Vocabulary -> tokens in the order of their ids; `train` are typed rows."""
        found = {}
        for name, vocabulary in self.features.vocabularies.items():
            counts = Counter()
            for feature in vocabulary.counted_from:
                for row in train:
                    value = row.get(self.features.features[feature].raw_name)
                    tokens = value if isinstance(value, list) else [value]
                    counts.update(token for token in tokens if token)
            kept = [
                token
                for token, count in counts.items()
                if count >= vocabulary.min_count and "\n" not in token and "\r" not in token
            ]
            kept.sort(key=lambda token: (-counts[token], token))
            found[name] = kept[: vocabulary.max_tokens]
        return found

    def numbers(self, train: list[dict], spec: FeatureSpec) -> tuple[float, float, list[float]]:
        """Mean, variance and boundaries of a numeric feature."""
        values = sorted(row[spec.raw_name] for row in train if row[spec.raw_name] is not None)
        if not values:
            return 0.0, 0.0, []
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
        buckets = spec.num_buckets or 1
        ranked = {values[len(values) * i // buckets] for i in range(1, buckets)}
        return mean, variance, sorted(value for value in ranked if value > values[0])

    def encoded(self, typed: dict, vocabularies: dict, numbers: dict) -> dict:
        """Feature -> number, or list of numbers right padded with 0.

        Args:
            typed: A row, histories included.
            vocabularies: From `vocabularies`.
            numbers: Numeric feature -> what `numbers` gives.
        """
        found = {}
        steps: dict[str, list[FeatureSpec]] = {}
        for spec in self.features.features.values():
            if spec.kind == "sequence":
                steps.setdefault(spec.history or spec.name, []).append(spec)
                continue
            value = typed[spec.raw_name]
            if spec.has_vocabulary:
                ids = self._ids(value if isinstance(value, list) else [value], spec, vocabularies)
                if spec.kind == "categorical":
                    found[spec.name] = ids[0]
                else:
                    present = [each for each in ids if each][: spec.max_length]
                    found[spec.name] = present + [0] * (spec.max_length - len(present))
            elif spec.role == "group_key":
                found[spec.name] = _hash(value, 2**63 - 1)
            elif spec.role == "label" and spec.at_least is not None:
                found[spec.name] = float(value >= spec.at_least)
            elif spec.role == "input" and spec.is_time:
                found[spec.name] = _time_bucket(value, spec)
            elif spec.role == "input" and spec.kind == "numeric":
                found[spec.name] = _number(value, spec, *numbers[spec.name])
            elif spec.kind == "embedding":
                found[spec.name] = value or [0.0] * spec.dimension
            else:
                found[spec.name] = value
        for specs in steps.values():
            ids = [self._ids(typed[spec.raw_name] or [], spec, vocabularies) for spec in specs]
            length = max(max((i for i, each in enumerate(a, 1) if each), default=0) for a in ids)
            for spec, each in zip(specs, ids, strict=True):
                padded = [step or 1 for step in (each + [0] * length)[:length]]
                recent = padded[-spec.max_length :]
                found[spec.name] = recent + [0] * (spec.max_length - len(recent))
        return found

    def _ids(self, tokens: list, spec: FeatureSpec, vocabularies: dict) -> list[int]:
        known = vocabularies[spec.vocabulary]
        oov = self.features.vocabularies[spec.vocabulary].num_oov_buckets

        def one(token):
            if not token:
                return 0
            if token in known:
                return 1 + oov + known.index(token)
            return 1 + (_hash(token, oov) if oov > 1 else 0)

        return [one(token) for token in tokens or []]


def _typed(value, spec: FeatureSpec):
    if spec.is_time:
        return TIMES[value] if value in TIMES else int(value)
    if spec.kind == "numeric":
        number = NUMBERS[value]
        return number
    if spec.kind == "embedding":
        if value is None:
            return None
        return [float(np.float32(x)) for x in value] if len(value) == spec.dimension else GARBAGE
    if spec.kind == "categorical":
        return value or None
    if spec.separator is not None:
        return value.split(spec.separator) if value else None
    return value


def _fits_role(value, spec: FeatureSpec) -> bool:
    if spec.role == "input":
        return True
    if value is None:
        return False
    if spec.role == "label" and spec.at_least is None:
        return value in (0.0, 1.0)
    return spec.role != "weight" or value >= 0.0


def _hash(token: str, buckets: int) -> int:
    return int(tf.strings.to_hash_bucket_fast(token, buckets))


def _number(value, spec: FeatureSpec, mean: float, variance: float, boundaries: list[float]):
    if spec.transform == "log2":
        if value is None:
            return 0
        return math.frexp(value)[1] - 1 if value > 2 else 1
    if spec.transform == "quantiles":
        return 0 if value is None else 1 + sum(value >= each for each in boundaries)
    if value is None:
        value = spec.default
    if value is None:
        return 0.0
    if spec.transform == "raw":
        return float(np.float32(value))
    return (value - mean) / math.sqrt(variance or 1.0)


def _time_bucket(value, spec: FeatureSpec) -> int:
    if value is None:
        return 0
    seconds = value // (1000 if spec.unit == "ms" else 1) + round(spec.utc_offset_hours * 3600)
    weekday = (seconds // 86_400 + 3) % 7
    return (
        1
        + {
            "hour": seconds // 3600 % 24,
            "weekday": weekday,
            "weekend": int(weekday >= 5),
        }[spec.transform]
    )
