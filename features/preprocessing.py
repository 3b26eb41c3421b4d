"""The one preprocessing graph: raw values in, model inputs out, in the data job and in serving."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from features.analysis import Analysis
from features.feature_spec import BUCKETS
from features.lookup_files import name_of_vocabulary
from features.raw_tensors import MISSING_TIME, CodedTokens
from features.raw_values import (
    FALSE,
    MINUS_ZERO,
    TRUE,
    WHOLE_WITH_POINT,
    null_numbers,
    null_times,
    null_tokens,
    weights_behind,
)
from features.scope_name import scope_name
from features.specs import FeatureSet, FeatureSpec

_SECONDS_PER_DAY = 86_400


class Preprocessor(tf_keras.layers.Layer):
    """Turns raw values into ids, numbers and labels.

    Ids: 0 is missing or padding, then the out-of-vocabulary ids, then the tokens in the order of
    their file. A missing step *inside* a sequence is out of vocabulary, so that id 0 means
    padding there and nothing else.

    Args:
        features: What the columns mean.
        analysis: What the training rows taught: moments and boundaries.
        vocabulary_dir: Folder of the vocabulary files. A SavedModel keeps copies as assets.
        roles: Which features to compute; serving has no label.

    Call arguments:
        raw: Raw name -> tensor, as `features.raw_tensors` makes them. Lists may be ragged, or
            dense with `""` after their last token; tokens may be `CodedTokens`.

    Returns:
        Feature name -> tensor: categorical and bucketed numeric int32 (batch,); numeric, label
        and weight float32 (batch,), under `piecewise` in [0, 1] or -1 where missing; multi-valued
        and sequence int32 (batch, max_length), right padded with 0, the most recent steps last;
        embedding float32 (batch, dimension); group key int64 (batch,), a fingerprint; timestamp
        int64 (batch,).
    """

    def __init__(
        self,
        features: FeatureSet,
        analysis: Analysis,
        vocabulary_dir: str,
        roles: Sequence[str] = ("input",),
        **kwargs: Any,
    ) -> None:
        # Raw numbers must not be rounded to bfloat16 under a mixed-precision policy.
        super().__init__(dtype="float32", autocast=False, trainable=False, **kwargs)
        self._specs = features.with_role(*roles)
        self.lookups = {
            name: tf_keras.layers.StringLookup(
                vocabulary=name_of_vocabulary(f"{vocabulary_dir}/{name}.txt"),
                mask_token="",
                num_oov_indices=vocabulary.num_oov_buckets,
                name=f"lookup_{scope_name(name)}",
            )
            for name, vocabulary in features.vocabularies.items()
            if "input" in roles
        }
        self.moments: dict[str, tuple[float, float]] = {}  # mean and standard deviation
        self.scalers: dict[str, tf_keras.layers.Layer] = {}
        self.edges: dict[str, tuple[float, ...]] = {}
        for spec in self._specs:
            if spec.transform in ("zscore", "log"):
                summary = analysis.numeric[spec.name]
                # A column that was constant in training must not blow up when it no longer is.
                self.moments[spec.name] = summary.mean, math.sqrt(summary.variance) or 1.0
            elif spec.transform == "quantiles":
                boundaries = list(analysis.numeric[spec.name].boundaries)
                self.scalers[spec.name] = tf_keras.layers.Discretization(boundaries)
            elif spec.transform == "piecewise":
                self.edges[spec.name] = analysis.numeric[spec.name].edges

    def call(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        computed = self._sequences(raw)
        for spec in self._specs:
            if spec.name not in computed:
                computed[spec.name] = self._one(raw[spec.raw_name], spec)
        return {spec.name: computed[spec.name] for spec in self._specs}

    def _one(self, value: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
        if spec.role == "label":
            limit = spec.at_least
            return value if limit is None else tf.cast(value >= limit, tf.float32)
        if spec.role == "group_key":
            return _of_tokens(value, lambda keys: tf.strings.to_hash_bucket_fast(keys, 2**63 - 1))
        if spec.role in ("weight", "timestamp"):
            return value
        if spec.kind == "embedding":
            return self._vector(value, spec)
        if spec.is_time:
            return _time_bucket(value, spec)
        if spec.kind == "numeric":
            return self._numeric(value, spec)
        ids = self._ids(value, spec)
        if spec.kind == "categorical":
            return ids
        present = tf.ragged.boolean_mask(ids, ids > 0)
        return present[:, : spec.max_length].to_tensor(0, shape=(None, spec.max_length))

    def _ids(self, tokens: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
        """Ids (batch,), or (batch, longest) with 0 where there is no token."""
        ids = _of_tokens(tokens, lambda distinct: self._look_up(distinct, spec))
        return ids.to_tensor(0) if isinstance(ids, tf.RaggedTensor) else ids

    def _look_up(self, tokens: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
        """Ids of tokens, int32 of the same shape.

        Vocabularies hold one writing of a whole number or a truth, see `features.raw_values`, so
        that only texts without an id of their own are rewritten and looked up again.
        """
        lookup = self.lookups[spec.vocabulary]
        if spec.drop_weights is not None:
            tokens = tf.strings.regex_replace(tokens, weights_behind(spec.drop_weights), "")
        ids = lookup(tokens)
        unknown = tf.where((ids > 0) & (ids <= lookup.num_oov_indices))
        rewritten = canonical(tf.gather_nd(tokens, unknown))
        if spec.kind == "categorical" or spec.history:  # in other lists, of the whole text only
            for token in null_tokens(spec.null_values):
                rewritten = tf.where(rewritten == token, "", rewritten)
        again = lookup(rewritten)
        return tf.cast(tf.tensor_scatter_nd_update(ids, unknown, again), tf.int32)

    def _sequences(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """All sequences, those of one history aligned with each other."""
        histories: dict[str, list[FeatureSpec]] = {}
        for spec in self._specs:
            if spec.kind == "sequence":
                histories.setdefault(spec.events, []).append(spec)
        computed = {}
        for specs in histories.values():
            ids = [self._ids(raw[spec.raw_name], spec) for spec in specs]
            present = [_last_present(steps) for steps in ids]
            lengths = tf.reduce_max(present, axis=0)
            for spec, steps, own in zip(specs, ids, present, strict=True):
                if spec.aligned:  # lists of the data may be unequally long
                    steps = _end_together(steps, own, lengths)
                computed[spec.name] = _most_recent(steps, lengths, spec.padded_length)
        return computed

    def _vector(self, value: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
        """Vectors as they are, or less their mean over their deviation; a missing one is zeros."""
        if spec.transform is None:
            return value
        mean, deviation = self.moments[spec.name]
        scaled = tf.cast((tf.cast(value, tf.float64) - mean) / deviation, tf.float32)
        is_given = tf.reduce_any(value != 0.0, axis=1, keepdims=True)
        return tf.where(is_given, scaled, 0.0)

    def _numeric(self, value: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
        missing = tf.math.is_nan(value)
        for number in null_numbers(spec.null_values):
            missing |= value == tf.constant(number, value.dtype)
        if spec.is_bucketed:
            value = tf.cast(value, tf.float32)
        if spec.transform == "log2":
            return tf.where(missing, 0, log2_bucket(value))
        if spec.transform == "ln_squared":
            return tf.where(missing, 0, ln_squared_bucket(value) + 1)
        if spec.transform == "quantiles":
            return tf.where(missing, 0, tf.cast(self.scalers[spec.name](value), tf.int32) + 1)
        # A float32 holds seven digits: numbers that share them would lose what tells them apart.
        exact = tf.cast(value, tf.float64)
        # Files with infinite numbers are refused; of a tensor the row's score must be no number.
        exact = tf.where(tf.math.is_inf(exact), tf.constant(math.nan, tf.float64), exact)
        if spec.default is not None:
            exact = tf.where(missing, tf.constant(spec.default, tf.float64), exact)
            missing = tf.zeros_like(missing)
        if spec.transform == "piecewise":
            place = piecewise_place(exact, self.edges[spec.name])
            return tf.where(missing, -1.0, tf.cast(place, tf.float32))
        if spec.transform == "log":
            exact = tf.sign(exact) * tf.math.log1p(tf.abs(exact))
        if spec.transform in ("zscore", "log"):
            mean, deviation = self.moments[spec.name]
            exact = (exact - mean) / deviation
        return tf.where(missing, 0.0, tf.cast(exact, tf.float32))


def canonical(texts: tf.Tensor) -> tf.Tensor:
    """`features.raw_values.token_of` in a graph."""
    texts = tf.strings.regex_replace(texts, f"^{WHOLE_WITH_POINT}$", r"\1")
    texts = tf.strings.regex_replace(texts, f"^(?:{MINUS_ZERO}|{FALSE})$", "0")
    return tf.strings.regex_replace(texts, f"^{TRUE}$", "1")


def _of_tokens(
    tokens: "tf.Tensor | tf.RaggedTensor | CodedTokens",
    one_each: Callable[[tf.Tensor], tf.Tensor],
) -> "tf.Tensor | tf.RaggedTensor":
    """A number for each token: of coded tokens one look-up for each entry of the dictionary."""
    if isinstance(tokens, CodedTokens):
        numbers = one_each(tokens.dictionary)
        return _of_tokens(tokens.codes, lambda codes: tf.gather(numbers, codes))
    if isinstance(tokens, tf.RaggedTensor):
        return tokens.with_flat_values(one_each(tokens.flat_values))
    return one_each(tokens)


def _last_present(ids: tf.Tensor) -> tf.Tensor:
    """Position, from 1, of each row's last id that is not 0; 0 in a row without any: (batch,)."""
    positions = tf.range(1, tf.shape(ids)[1] + 1)
    # The maximum with 0 is for lists without a single position, whose reduce_max is -2**31.
    return tf.maximum(tf.reduce_max(tf.where(ids > 0, positions, 0), axis=1), 0)


def _end_together(ids: tf.Tensor, own: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Each row's first `own` ids moved back until the last of them is the `lengths`-th."""
    missing = tf.maximum(tf.reduce_max(lengths) - tf.shape(ids)[1], 0)
    newest_first = tf.reverse_sequence(ids, own, seq_axis=1)
    padded = tf.pad(newest_first, [[0, 0], [0, missing]])
    return tf.reverse_sequence(padded, lengths, seq_axis=1)


def _most_recent(ids: tf.Tensor, lengths: tf.Tensor, max_length: int) -> tf.Tensor:
    """The last `max_length` of each row's first `lengths` ids, right padded with 0.

    A step without a token inside the history becomes id 1: out of vocabulary, not padding.
    """
    longest = tf.maximum(tf.reduce_max(lengths), 0)  # without rows, reduce_max is -2**31
    missing = tf.maximum(longest - tf.shape(ids)[1], 0)
    steps = tf.maximum(tf.pad(ids, [[0, 0], [0, missing]]), 1)
    kept = tf.RaggedTensor.from_tensor(steps, lengths)[:, -max_length:]
    return kept.to_tensor(0, shape=(None, max_length))


def log2_bucket(value: tf.Tensor) -> tf.Tensor:
    """floor(log2 x) where x > 2, else 1: int32 of the same shape.

    Read off the bits of the number: a logarithm in float32 puts some powers of two one too low.

    Reference: how the open benchmark describes its preprocessing of Criteo_x4; its code computes
    `ln_squared_bucket`.
    """
    exponent = tf.bitwise.right_shift(tf.bitcast(value, tf.int32), 23) - 127
    return tf.where(value > 2.0, exponent, 1)


def ln_squared_bucket(value: tf.Tensor) -> tf.Tensor:
    """1 + floor((ln x)^2) where x > 2, else 1 + the whole part of x: int32 of the same shape.

    Numbers below 0 share bucket 0, those beyond 6 billion the last one.

    Reference: the code behind the open benchmark's Criteo_x4, after the winners of the challenge.
    """
    # In float64: in float32, large whole numbers near a limit would land on its other side.
    exact = tf.cast(value, tf.float64)
    squared = tf.square(tf.math.log(tf.maximum(exact, 2.0)))
    bucket = tf.where(exact > 2.0, tf.floor(squared), tf.floor(tf.minimum(exact, 2.0)))
    return tf.cast(tf.clip_by_value(bucket, -1.0, BUCKETS["ln_squared"] - 2.0), tf.int32) + 1


def piecewise_place(value: tf.Tensor, edges: Sequence[float]) -> tf.Tensor:
    """Where numbers lie among edges: (t + share of piece t that is passed) / number of pieces.

    It is 0 at the first edge and below, 1 at the last and above, and linear between neighbours.
    With edges at quantiles it is as good as uniform over the training rows. From it
    `models.embeddings.numeric_encoding.piecewise_linear` has the encoding of the paper.

    Reference: Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in Tabular
    Deep Learning, arXiv:2203.05556v4, Eq. 1. Departs from it: numbers beyond the ends of the
    training rows stay at the ends, where the paper's first and last piece go on for ever.

    Args:
        value: float64 of any shape.
        edges: Two or more, strictly increasing.

    Returns:
        float64 of the same shape; NaN of NaN.
    """
    limits = tf.constant(edges, tf.float64)
    pieces = len(edges) - 1
    piece = tf.searchsorted(limits, tf.reshape(value, [-1]), side="right") - 1
    piece = tf.reshape(tf.clip_by_value(piece, 0, pieces - 1), tf.shape(value))
    start, stop = tf.gather(limits, piece), tf.gather(limits, piece + 1)
    # NaN passes clip_by_value as it is.
    share = tf.clip_by_value((value - start) / (stop - start), 0.0, 1.0)
    return (tf.cast(piece, tf.float64) + share) / pieces


def _time_bucket(time: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
    """1 + hour of the day, or day of the week (Monday 0), or 1 on weekends; 0 where missing."""
    known = tf.not_equal(time, MISSING_TIME)
    for missing in null_times(spec.null_values, spec.unit):
        known = tf.logical_and(known, tf.not_equal(time, missing))
    if spec.unit == "yymmddhh":
        seconds, is_time = _from_digits(time)
        known = tf.logical_and(known, is_time)
    else:
        seconds = tf.math.floordiv(time, 1000 if spec.unit == "ms" else 1)
    seconds += round(spec.utc_offset_hours * 3600)
    if spec.transform == "hour":
        bucket = tf.math.floormod(seconds, _SECONDS_PER_DAY) // 3600
    else:  # 1970-01-01 was a Thursday
        bucket = tf.math.floormod(tf.math.floordiv(seconds, _SECONDS_PER_DAY) + 3, 7)
        if spec.transform == "weekend":
            bucket = tf.cast(bucket >= 5, tf.int32)
    return tf.where(known, tf.cast(bucket, tf.int32) + 1, 0)


def _from_digits(time: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Seconds since 1970 of times written as yymmddhh, and whether each names an hour at all."""
    years, months = 2000 + time // 1_000_000, time // 10_000 % 100
    days, hours = time // 100 % 100, time % 100
    first = _days_since_1970(years, months)
    length = _days_since_1970(years + months // 12, months % 12 + 1) - first
    is_date = (time >= 0) & (years < 2100) & (months >= 1) & (months <= 12)
    is_time = is_date & (days >= 1) & (days <= length) & (hours < 24)
    return (first + days - 1) * _SECONDS_PER_DAY + hours * 3600, is_time


def _days_since_1970(years: tf.Tensor, months: tf.Tensor) -> tf.Tensor:
    """Days from 1970-01-01 to the first of a month, by the Gregorian calendar.

    Years that begin in March have their leap day at the end, and months of 153 days in fives.
    """
    years -= tf.cast(months <= 2, years.dtype)
    since_march = tf.math.floormod(months + 9, 12)
    days = 365 * years + years // 4 - years // 100 + years // 400
    return days + (153 * since_march + 2) // 5 - 719_468
