import itertools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.metrics import (
    CrossExpertCorrelation,
    cross_expert_correlation,
    cross_expert_correlation_by_pair,
)
from tests.replicas import per_replica

SPLITS = (0, 1, 3, 3, 60, 200, 200)  # batches of 1, 2, 0, 57, 140, 0 and the rest


def correlated(rows=257, n=3, d=4, offset=0.0, seed=0, dtype="float32"):
    """Branches with much in common; means `offset` times the spreads, which differ widely."""
    rng = np.random.default_rng(seed)
    common, mixing = rng.normal(size=(rows, d)), rng.normal(size=(n, d, d))
    x = np.einsum("bi,nij->bnj", common, mixing) + 0.5 * rng.normal(size=(rows, n, d))
    spread = 10.0 ** rng.uniform(-2, 2, (n, d))
    return ((x + offset * rng.choice([-1, 1], (n, d))) * spread).astype(dtype)


def oracle(x):
    """Every r by itself, in float64, from NumPy's own corrcoef."""
    x = np.asarray(x, "float64")
    n, d = x.shape[1:]

    def r(i, j):
        return 0.0 if np.ptp(i) == 0 or np.ptp(j) == 0 else np.corrcoef(i, j)[0, 1]

    return [
        sum(abs(r(x[:, a, i], x[:, b, j])) for i in range(d) for j in range(d)) / d**2
        for a, b in itertools.combinations(range(n), 2)
    ]


def streamed(x, metric=None):
    metric = metric or CrossExpertCorrelation()
    for start, stop in itertools.pairwise((*SPLITS, len(x))):
        metric.update_state(tf.constant(x[start:stop]))
    return metric


@pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 4), (5, 3)])
def test_function_and_metric_match_oracle_and_each_other(n, d):
    x = correlated(n=n, d=d)
    expected = oracle(x)
    assert 0.05 < np.mean(expected) < 0.99
    np.testing.assert_allclose(cross_expert_correlation_by_pair(x), expected, atol=1e-12)
    assert cross_expert_correlation(x) == pytest.approx(sum(expected), abs=1e-12)
    metric = streamed(x)
    np.testing.assert_allclose(metric.by_pair(), expected, atol=1e-12)
    assert metric.result().numpy() == pytest.approx(sum(expected), abs=1e-12)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_large_means_cost_no_precision(offset):
    x = correlated(offset=offset, dtype="float64")
    expected = oracle(correlated(dtype="float64"))  # a correlation does not see the mean
    np.testing.assert_allclose(cross_expert_correlation_by_pair(x), expected, atol=1e-6)
    np.testing.assert_allclose(streamed(x).by_pair(), expected, atol=1e-6)


def test_means_that_drift_between_batches_are_part_of_the_correlation():
    x = correlated()
    x += np.linspace(0, 1000, len(x), dtype="float32")[:, None, None]
    np.testing.assert_allclose(streamed(x).by_pair(), oracle(x), atol=1e-9)
    assert streamed(x).result() > 2.5  # the drift is common to all of them


# The mean of a float32 constant is exact in float64, that of a float64 constant is not.
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e4 / 3])
def test_a_constant_dimension_correlates_with_nothing(constant, dtype):
    x = correlated(dtype=dtype)
    x[:, 1, 2] = constant
    x[:, 2, 0] = constant / 3  # nor does another constant
    expected = oracle(x)
    np.testing.assert_allclose(cross_expert_correlation_by_pair(x), expected, atol=1e-12)
    np.testing.assert_allclose(streamed(x).by_pair(), expected, atol=1e-12)
    assert expected[0] < oracle(correlated())[0]


def test_live_dimensions_alone_are_not_diluted_by_constant_ones():
    x = correlated(d=6)
    x[:, 0, 1], x[:, 0, 4], x[:, 2, 0] = 0.0, 0.25, -3.0
    live = [[0, 2, 3, 5], [0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    expected = [
        np.mean([abs(np.corrcoef(x[:, a, i], x[:, b, j])[0, 1]) for i in live[a] for j in live[b]])
        for a, b in itertools.combinations(range(3), 2)
    ]
    received = cross_expert_correlation_by_pair(x, live_only=True)
    np.testing.assert_allclose(received, expected, rtol=1e-6)
    metric = streamed(x)
    np.testing.assert_allclose(metric.by_pair(live_only=True), expected, rtol=1e-6)
    np.testing.assert_array_equal(metric.constant_units(), [2, 0, 1])
    diluted = np.array(expected) * [24 / 36, 20 / 36, 30 / 36]
    np.testing.assert_allclose(metric.by_pair(), diluted, rtol=1e-6)


def test_a_branch_of_constants_has_no_correlation_among_live_dimensions():
    x = correlated(n=2)
    x[:, 1] = 7.0
    for received in (
        cross_expert_correlation_by_pair(x, live_only=True),
        streamed(x).by_pair(live_only=True),
    ):
        np.testing.assert_array_equal(received, [np.nan])
    np.testing.assert_array_equal(streamed(x).by_pair(), [0.0])


def test_a_dimension_that_moves_by_one_rounding_step_in_one_row_is_not_constant():
    x = np.full((2000, 2, 1), 0.1, "float32")
    x[7] = np.nextafter(np.float32(0.1), np.float32(1))
    assert cross_expert_correlation(x) == pytest.approx(1.0, abs=1e-3)
    assert float(streamed(x).result()) == pytest.approx(1.0, abs=1e-3)


def test_a_representation_that_is_not_finite_is_seen():
    x = correlated()
    x[5, 1, 2] = np.nan
    assert np.isnan(cross_expert_correlation_by_pair(x)).tolist() == [True, False, True]
    assert np.isnan(streamed(x).by_pair()).tolist() == [True, False, True]
    assert np.isnan(streamed(x).result())


def test_fewer_than_two_rows_are_nan():
    for rows in (0, 1):
        x = correlated()[:rows]
        assert np.isnan(cross_expert_correlation(x))
        metric = CrossExpertCorrelation()
        assert np.isnan(metric.result())
        metric.update_state(x)
        assert np.isnan(metric.result())
        assert np.isnan(metric.by_pair()).tolist() == [True] * 3
    metric.update_state(correlated()[1:2])
    assert metric.result().numpy() == pytest.approx(3.0)  # two points always lie on a line


def test_forgets_all_when_reset():
    metric = streamed(100.0 + correlated(seed=1))
    metric.reset_state()
    assert np.isnan(metric.result())
    np.testing.assert_allclose(streamed(correlated(), metric).by_pair(), oracle(correlated()))


def test_reads_what_mixed_precision_gives_without_losing_more():
    x = tf.cast(correlated(), tf.bfloat16)
    metric = CrossExpertCorrelation()
    metric.update_state(x)
    np.testing.assert_allclose(metric.by_pair(), oracle(tf.cast(x, tf.float64)), atol=1e-12)


def test_works_in_a_graph_with_unknown_batch_size():
    metric = CrossExpertCorrelation()

    @tf.function(input_signature=[tf.TensorSpec((None, 3, 4))])
    def update(x):
        metric.update_state(x)

    x = correlated()
    for start, stop in itertools.pairwise((*SPLITS, len(x))):
        update(x[start:stop])
    assert update.experimental_get_tracing_count() <= 2  # once more to create the state
    np.testing.assert_allclose(metric.by_pair(), oracle(x), atol=1e-12)


@pytest.mark.parametrize("sizes", [(), (3, 4)], ids=["made by the first batch", "made before"])
def test_replicas_merge_the_global_batch(two_replicas, sizes):
    with two_replicas.scope():
        metric = CrossExpertCorrelation(*sizes)
    x = correlated(offset=1e3, dtype="float64")

    def update(rows):
        metric.update_state(rows)
        return metric.by_pair()

    # The first replica gets 40, none and all rows of its batch.
    for start, stop, at in ((0, 100, 40), (100, 130, 0), (130, 257, 127)):
        both = per_replica(two_replicas, update, x[start:stop], at=at)
        np.testing.assert_array_equal(both[0], both[1])
        np.testing.assert_allclose(both[0], oracle(x[:stop]), atol=1e-9)
    assert metric.result().numpy() == pytest.approx(sum(oracle(x)), abs=1e-9)
    for variable in metric.variables:
        first, second = two_replicas.experimental_local_results(variable)
        np.testing.assert_array_equal(first, second)
    metric.reset_state()
    assert np.isnan(metric.result())


def test_round_trips_through_its_config():
    metric = streamed(correlated(), CrossExpertCorrelation(name="cec"))
    clone = tf_keras.metrics.deserialize(tf_keras.metrics.serialize(metric))
    assert (clone.name, clone.num_branches, clone.width) == ("cec", 3, 4)
    clone.set_weights(metric.get_weights())
    assert clone.result() == metric.result()
    empty = CrossExpertCorrelation.from_config(CrossExpertCorrelation().get_config())
    assert np.isnan(empty.result())


@pytest.mark.parametrize("shape", [(5, 1, 4), (5, 4), (5, 3, 0)])
def test_rejects_what_is_not_two_branches(shape):
    for refuse in (cross_expert_correlation, CrossExpertCorrelation().update_state):
        with pytest.raises(ValueError, match=r"\(rows, n >= 2, d >= 1\).*Stack the branches"):
            refuse(np.zeros(shape))


def test_rejects_another_shape_than_before_and_half_a_size():
    metric = CrossExpertCorrelation(3, 4)
    with pytest.raises(ValueError, match=r"\(rows, 3, 4\). Received: \(5, 2, 4\)"):
        metric.update_state(np.zeros((5, 2, 4)))
    with pytest.raises(ValueError, match="both `num_branches` and `width`"):
        CrossExpertCorrelation(width=4)
