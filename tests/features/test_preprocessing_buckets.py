"""Numbers and times that become buckets, at the values where that goes wrong."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import tensorflow as tf

from features.analysis import Analysis, NumericSummary
from features.preprocessing import Preprocessor, log2_bucket
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
