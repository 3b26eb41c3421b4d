"""`log` and `piecewise` against float64 oracles, one number at a time; bytes and edges."""

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import assume, example, given, settings
from pydantic import ValidationError

from features.analysis import Analysis, NumericSummary
from features.inputs import model_inputs, placeholder_inputs
from features.preprocessing import Preprocessor, piecewise_place
from features.specs import FeatureSet
from pipeline.data.analysis.moments import moments_of

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def preprocessed(values, summary, **spec):
    features = FeatureSet.model_validate({"features": {"x": {"kind": "numeric", **spec}}})
    layer = Preprocessor(features, Analysis(numeric={"x": summary}), "")
    return layer({"x": tf.constant(values, tf.float32)})["x"].numpy()


def place_oracle(x, edges):
    """The mean of the paper's e_1, ..., e_T, Eq. 1, each clipped at its ends."""
    pieces = itertools.pairwise(edges)
    return np.mean([min(max((x - low) / (high - low), 0.0), 1.0) for low, high in pieces])


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=9, unique=True), st.lists(NUMBERS, min_size=1))
def test_places_match_the_papers_equation(edges, values):
    edges = sorted(set(edges))
    found = piecewise_place(tf.constant(values + edges, tf.float64), edges)
    expected = [place_oracle(float(x), edges) for x in values + edges]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert found.numpy().min() >= 0.0
    assert found.numpy().max() <= 1.0


def test_missing_numbers_have_no_place_and_infinite_ones_no_score():
    summary = NumericSummary(count=3, minimum=0.0, maximum=8.0, boundaries=(2.0, 4.0))
    values = [np.nan, 0.0, 1.0, 2.0, 3.0, 6.0, 8.0, 9.0, -1.0, np.inf]
    found = preprocessed(values, summary, transform="piecewise", num_buckets=3)
    expected = [-1.0, 0.0, 1 / 6, 1 / 3, 1 / 2, 5 / 6, 1.0, 1.0, 0.0, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = preprocessed([-7.0], summary, transform="piecewise", num_buckets=3, null_values=["-7"])
    assert found == [-1.0]


@pytest.mark.parametrize(
    ("summary", "pieces"),
    [
        (NumericSummary(count=0), 1),  # no training row has a value
        (NumericSummary(count=9, minimum=5.0, maximum=5.0), 1),
        (NumericSummary(count=9, minimum=3e38, maximum=3e38), 1),
        (NumericSummary(count=9, minimum=0.0, maximum=4.0, boundaries=(1.0, 4.0)), 2),
        (NumericSummary(count=9, minimum=0.1, maximum=0.3, boundaries=(0.2,)), 2),
    ],
)
def test_edges_increase_whatever_the_column_holds(summary, pieces):
    assert len(summary.edges) == pieces + 1
    assert all(low < high for low, high in itertools.pairwise(summary.edges))
    values = [summary.minimum, summary.maximum]
    found = preprocessed(values, summary, transform="piecewise", num_buckets=9)
    assert found[0] == 0.0
    features = FeatureSet.model_validate(
        {"features": {"x": {"kind": "numeric", "transform": "piecewise", "num_buckets": 9}}}
    )
    (spec,) = model_inputs(features, Analysis(numeric={"x": summary}))
    assert (spec.kind, spec.pieces) == ("numeric", pieces)
    assert placeholder_inputs(features)[0].pieces == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS.filter(lambda x: x == 0.0 or abs(x) > 1e-30), min_size=2))
@example([0.0, 2.433032616523667e-13])
def test_logarithms_are_scaled_by_their_own_moments(values):
    logs = [math.copysign(math.log1p(abs(x)), x) for x in values]
    spread, largest = max(logs) - min(logs), max(map(abs, logs))
    assume(spread == 0.0 or spread > 1e-9 * largest)  # else it is all in the last digits
    mean = math.fsum(logs) / len(logs) if spread else logs[0]
    variance = math.fsum((each - mean) ** 2 for each in logs) / len(logs)
    moments = moments_of(pa.array([*values, None], pa.float64()), of_logarithms=True)
    assert moments.count == len(values)
    assert moments.mean == pytest.approx(mean, abs=1e-12)
    assert moments.variance == pytest.approx(variance, abs=1e-10)
    summary = NumericSummary(count=len(values), mean=mean, variance=variance)
    found = preprocessed([*values, np.nan], summary, transform="log")
    deviation = math.sqrt(variance) or 1.0
    expected = [(each - mean) / deviation for each in logs]
    np.testing.assert_allclose(found, [*expected, 0.0], rtol=1e-5, atol=1e-5)


def test_counts_that_are_mostly_zero_stay_within_reach():
    counts = np.zeros(10_000)
    counts[:20] = 10.0 ** np.arange(20)  # of a page that everybody knows, 1e19
    logs = moments_of(pa.array(counts), of_logarithms=True)
    summary = NumericSummary(count=logs.count, mean=logs.mean, variance=logs.variance)
    of_logs = preprocessed(counts, summary, transform="log")
    plain = moments_of(pa.array(counts))
    summary = NumericSummary(count=plain.count, mean=plain.mean, variance=plain.variance)
    of_numbers = preprocessed(counts, summary, transform="zscore")
    assert np.abs(of_logs).max() < 45.0 < 99.0 < np.abs(of_numbers).max()
    assert len(np.unique(of_logs[:20])) == 20
    assert len(np.unique(of_numbers[:20])) < 20  # all but the largest are the same number


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"transform": "piecewise"}, "'piecewise' needs `num_buckets`"),
        ({"transform": "log", "num_buckets": 3}, "needs `transform: quantiles` or `piecewise`"),
        ({"transform": "piecewise", "num_buckets": 3, "default": 0.0}, "`default` needs transform"),
    ],
)
def test_settings_that_mean_nothing_are_refused(spec, message):
    with pytest.raises(ValidationError, match=message):
        FeatureSet.model_validate({"features": {"x": {"kind": "numeric", **spec}}})
