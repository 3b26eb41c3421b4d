"""What a bundle must hold, worked out row by row in plain Python from rows of text."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import tensorflow as tf

from features.bundle import Bundle
from features.feature_spec import FeatureSpec
from features.records import decode_block
from features.specs import FeatureSet

Row = Mapping[str, str]


class TextOracle:
    """Encodes rows of good text after looking at the training ones.

    Args:
        features: What the columns mean.
        train: The training rows.
    """

    def __init__(self, features: FeatureSet, train: Sequence[Row]):
        self._features = features
        self._ids = {name: self._vocabulary(name, train) for name in features.vocabularies}
        self._moments = {}
        for spec in features.inputs:
            if spec.transform == "zscore":
                numbers = [float(np.float32(row[spec.column])) for row in train if row[spec.column]]
                self._moments[spec.name] = np.mean(numbers), np.std(numbers)

    def _vocabulary(self, name: str, train: Sequence[Row]) -> dict[str, int]:
        vocabulary = self._features.vocabularies[name]
        counts: Counter[str] = Counter()
        for feature in vocabulary.counted_from:
            spec = self._features.features[feature]
            for row in train:
                counts.update(tokens_of(row, spec))
        kept = sorted((-count, token) for token, count in counts.items())
        kept = [token for count, token in kept if -count >= vocabulary.min_count]
        return {token: 2 + place for place, token in enumerate(kept)}

    def encode(self, row: Row) -> tuple:
        """All values that a bundle has of a row, in the order of declaration."""
        return tuple(self._value(row, spec) for spec in self._features.features.values())

    def _value(self, row: Row, spec: FeatureSpec):
        text = row[spec.column]
        if spec.role == "group_key":
            return int(tf.strings.to_hash_bucket_fast(text, 2**63 - 1))
        if spec.role in ("label", "timestamp"):
            return int(float(text))
        if spec.kind == "embedding":
            return tuple(np.float32(number) for number in text.split())
        if spec.is_time:
            moment = datetime.strptime(text, "%y%m%d%H")
            return (
                1
                + {
                    "hour": moment.hour,
                    "weekday": moment.weekday(),
                    "weekend": int(moment.weekday() >= 5),
                }[spec.transform]
            )
        if spec.kind == "numeric":
            return self._number(text, spec)
        ids = [self._ids[spec.vocabulary].get(token, 1) for token in tokens_of(row, spec)]
        if spec.kind == "categorical":
            return ids[0] if ids else 0
        if spec.aligned:
            together = [s for s in self._features.inputs if s.aligned == spec.aligned]
            ids = [1] * (max(len(tokens_of(row, each)) for each in together) - len(ids)) + ids
        return tuple(ids[-spec.max_length :])

    def _number(self, text: str, spec: FeatureSpec):
        if spec.transform == "log2":
            if not text:
                return 0
            return int(text).bit_length() - 1 if int(text) > 2 else 1
        if spec.transform == "ln_squared":
            if not text:
                return 0
            number = int(text)
            return 2 + (math.floor(math.log(number) ** 2) if number > 2 else max(number, -1))
        if spec.transform == "raw":
            return float(np.float32(text or 0))
        mean, deviation = self._moments[spec.name]
        return round((float(text) - mean) / deviation, 3) if text else 0.0


def tokens_of(row: Row, spec: FeatureSpec) -> list[str]:
    """The tokens of a row, none where they are missing."""
    text = row[spec.column]
    if spec.kind == "categorical":
        return [text] if text else []
    return [token for token in text.split(spec.separator) if token]


def rows_in(bundle: Bundle, split: str) -> list[tuple]:
    """A split's rows as `TextOracle.encode` has them, in any order."""
    features = bundle.metadata.features
    found = []
    for record in tf.data.TFRecordDataset(bundle.files(split)):
        block = decode_block(record, bundle.metadata.columns)
        columns = []
        for spec in features.features.values():
            columns.append([_plain(value, spec) for value in block[spec.name].numpy()])
        found += zip(*columns, strict=True)
    return found


def _plain(value, spec: FeatureSpec):
    if spec.kind == "embedding":
        return tuple(value)
    if np.ndim(value):
        return tuple(int(token) for token in value if token)
    if value.dtype == np.float32 and spec.role == "input":
        return round(float(value), 3) if spec.transform == "zscore" else float(value)
    return int(value)
