import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from features.analysis import Analysis, NumericSummary
from features.precision import losses_in_words, survives_float32, with_precision
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow, parse_examples, parsing_spec
from features.specs import FeatureSet

FEATURES = FeatureSet(features={"signup": {"kind": "numeric"}, "price": {"kind": "numeric"}})
SECONDS = 1_700_000_000.0 + np.arange(120.0)
ANALYSIS = Analysis(
    numeric={
        "signup": NumericSummary(
            count=120,
            mean=SECONDS.mean(),
            variance=SECONDS.var(),
            minimum=SECONDS.min(),
            maximum=SECONDS.max(),
        ),
        "price": NumericSummary(count=9, mean=2.0, variance=4.0, minimum=-1.0, maximum=9.0),
    }
)
ROWS = pa.RecordBatch.from_pydict({"signup": [*SECONDS, None], "price": [0.1] * 121})


@pytest.mark.parametrize(
    ("minimum", "maximum", "variance", "survives"),
    [(0, 1, 0.1, True), (1.7e9, 1.7e9 + 119, 1200.0, False), (-1.7e9, 0, 1.0, False),
     (1.6e9, 1.7e9, 1e14, True), (1.7e9, 1.7e9, 0.0, True)],
)  # fmt: skip
def test_float32_is_enough_where_rounding_is_small_beside_the_spread(
    minimum, maximum, variance, survives
):
    summary = NumericSummary(count=2, minimum=minimum, maximum=maximum, variance=variance)
    assert survives_float32(summary) is survives


def test_seconds_are_centred_before_they_become_float32():
    exact = with_precision(FEATURES, ANALYSIS)
    assert [spec.precision for spec in exact.inputs] == ["float64", "float32"]
    raw = from_arrow(ROWS, exact)
    assert (raw["signup"].dtype, raw["price"].dtype) == (tf.float64, tf.float32)
    scaled = Preprocessor(exact, ANALYSIS, "")(raw)["signup"]
    assert scaled.dtype == tf.float32
    expected = [*(SECONDS - SECONDS.mean()) / SECONDS.std(), 0.0]
    np.testing.assert_allclose(scaled, expected, atol=1e-6)
    assert len(np.unique(scaled.numpy())) > 119


def test_an_example_has_the_text_of_such_a_number():
    exact = with_precision(FEATURES, ANALYSIS)
    assert parsing_spec(exact)["signup"].dtype == tf.string
    example = tf.train.Example()
    example.features.feature["signup"].bytes_list.value.append(b"1700000059.25")
    raw = parse_examples(tf.constant([example.SerializeToString(), b""]), exact)
    np.testing.assert_array_equal(raw["signup"], [1_700_000_059.25, np.nan])


def test_the_job_says_what_float32_cannot_tell_apart():
    (line,) = losses_in_words(FEATURES, ANALYSIS)
    assert line == (
        "signup: float32 cannot tell values around 1.7e+09 apart that differ by 34.6 on average; "
        "it is centred in float64, and served as float64, in tf.Examples as text"
    )
    raw = FeatureSet(features={"signup": {"kind": "numeric", "transform": "raw"}})
    (line,) = losses_in_words(raw, ANALYSIS)
    assert line.endswith("use zscore, or subtract a constant from the column")
