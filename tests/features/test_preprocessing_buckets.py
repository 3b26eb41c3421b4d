"""Numbers and times that become buckets, at the values where that goes wrong."""

import math
from datetime import datetime, timedelta

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from features.analysis import Analysis, NumericSummary
from features.inputs import placeholder_inputs
from features.preprocessing import Preprocessor, ln_squared_bucket, log2_bucket
from features.raw_tensors import MISSING_TIME
from features.specs import FeatureSet


def test_log2_bucket_is_exact_at_every_power_of_two():
    exponents = np.arange(-149, 128)
    powers = np.ldexp(np.float32(1), exponents).astype("float32")
    np.testing.assert_array_equal(log2_bucket(tf.constant(powers)), np.maximum(exponents, 1))
    below = np.nextafter(powers, np.float32(0))
    np.testing.assert_array_equal(log2_bucket(tf.constant(below)), np.maximum(exponents - 1, 1))


def test_log2_bucket_of_what_is_not_greater_than_two_is_one():
    values = tf.constant([2.0, 1.0, 0.0, -0.0, -1e30, float("nan")])
    assert log2_bucket(values).numpy().tolist() == [1] * 6


@pytest.mark.parametrize("seconds", [0, -1, 86_399, 86_400, -86_400, 951_782_400, 1_709_164_799])
@pytest.mark.parametrize("unit", ["s", "ms"])
@pytest.mark.parametrize("offset", [0, 8, -3.5, 14])
def test_hour_and_weekday_are_those_of_a_calendar(seconds, unit, offset):
    time = {"kind": "categorical", "column": "t", "unit": unit, "utc_offset_hours": offset}
    features = FeatureSet.model_validate(
        {"features": {name: {**time, "transform": name} for name in ("hour", "weekday")}}
    )
    stamp = seconds if unit == "s" else 1000 * seconds + 999
    outputs = Preprocessor(features, Analysis(), "")({"t": tf.constant([stamp, MISSING_TIME])})
    moment = datetime(1970, 1, 1) + timedelta(hours=offset, seconds=seconds)
    assert outputs["hour"].numpy().tolist() == [moment.hour + 1, 0]
    assert outputs["weekday"].numpy().tolist() == [moment.weekday() + 1, 0]


def calendar(unit="yymmddhh", offset=0.0):
    """Hour, weekday and weekend of one column."""
    time = {"kind": "categorical", "column": "t", "unit": unit, "utc_offset_hours": offset}
    names = ("hour", "weekday", "weekend")
    return FeatureSet.model_validate(
        {"features": {name: {**time, "transform": name} for name in names}}
    )


def ids(features, stamps, layer=None):
    layer = layer or Preprocessor(features, Analysis(), "")
    outputs = layer({"t": tf.constant(stamps, tf.int64)})
    return list(zip(*(outputs[name].numpy().tolist() for name in features.features), strict=True))


def expected(moment):
    return moment.hour + 1, moment.weekday() + 1, 1 + (moment.weekday() >= 5)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), min_size=1),
    st.sampled_from([0, 8, -3.5, 14]),
)
def test_times_in_digits_are_those_of_a_calendar(moments, offset):
    stamps = [int(moment.strftime("%y%m%d%H")) for moment in moments]
    whole = [moment.replace(minute=0) + timedelta(hours=offset) for moment in moments]
    assert ids(calendar(offset=offset), stamps) == [expected(moment) for moment in whole]


def test_every_day_of_a_century_in_digits():
    days = [datetime(2000, 1, 1, 23) + timedelta(days=day) for day in range(36_525)]
    stamps = [int(day.strftime("%y%m%d%H")) for day in days]
    assert ids(calendar(), stamps) == [expected(day) for day in days]


@pytest.mark.parametrize(
    "stamp",
    [MISSING_TIME, -1, 14102124, 14130100, 14100000, 14093100, 15022900, 10**8, 0, 2**62],
)
def test_digits_that_name_no_hour_are_missing(stamp):
    assert ids(calendar(), [stamp]) == [(0, 0, 0)]


def test_a_saved_graph_reads_times_in_digits_alike(tmp_path):
    features = calendar()
    layer = Preprocessor(features, Analysis(), "")
    module = tf.Module()
    module.layer = layer
    spec = tf.TensorSpec([None], tf.int64, name="t")
    module.call = tf.function(lambda t: layer({"t": t}), input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    stamps = [14102100, 14102523, 16022912, MISSING_TIME, 14130100]
    assert ids(features, stamps, lambda raw: loaded.call(raw["t"])) == ids(features, stamps)


def test_tables_of_times_have_a_row_for_every_id():
    sizes = {spec.name: spec.vocabulary_size for spec in placeholder_inputs(calendar())}
    assert sizes == {"hour": 25, "weekday": 8, "weekend": 3}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(3, 2**24), min_size=1))
def test_ln_squared_bucket_is_that_of_exact_arithmetic(values):
    received = ln_squared_bucket(tf.constant(values, tf.float32))
    assert received.numpy().tolist() == [1 + math.floor(math.log(value) ** 2) for value in values]


def test_ln_squared_bucket_is_exact_on_both_sides_of_every_limit():
    limits = [math.exp(math.sqrt(square)) for square in range(2, 276)]  # up to 2**24
    values = sorted({whole for limit in limits for whole in (int(limit), int(limit) + 1)} - {1, 2})
    received = ln_squared_bucket(tf.constant(values, tf.float32))
    assert received.numpy().tolist() == [1 + math.floor(math.log(value) ** 2) for value in values]


def test_ln_squared_keeps_small_numbers_apart_and_ends_somewhere():
    values = tf.constant([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 5.0, 1e30])
    assert ln_squared_bucket(values).numpy().tolist() == [0, 0, 1, 2, 3, 2, 3, 511]
    assert one_number("ln_squared", NumericSummary(count=1), [float("nan"), -1.0, 1e30]) == [
        *(0, 1, 512)
    ]
    features = FeatureSet.model_validate(
        {"features": {"x": {"kind": "numeric", "transform": "ln_squared"}}}
    )
    assert placeholder_inputs(features)[0].vocabulary_size == 513


def one_number(transform, summary, values):
    spec = {"kind": "numeric", "transform": transform}
    if transform == "quantiles":
        spec["num_buckets"] = 2
    features = FeatureSet.model_validate({"features": {"x": spec}})
    layer = Preprocessor(features, Analysis(numeric={"x": summary}), "")
    return layer({"x": tf.constant(values)})["x"].numpy().tolist()


def test_a_constant_column_is_only_centred():
    summary = NumericSummary(count=3, mean=5.0, variance=0.0, minimum=5.0, maximum=5.0)
    assert one_number("zscore", summary, [5.0, 7.0, float("nan")]) == [0.0, 2.0, 0.0]


def test_quantiles_of_a_constant_column_are_one_bucket():
    assert one_number("quantiles", NumericSummary(count=3), [5.0, -7.0, float("nan")]) == [1, 1, 0]
