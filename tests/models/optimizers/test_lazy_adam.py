"""Lazy Adam against a float64 oracle, packed and plain, and against tf_keras' Adam."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.optimizers import LazyAdam, NetworkOptimizer, RowSlots, TableRows, mark_table
from models.optimizers.lazy_adam import last_step
from tests.models.optimizers.oracles import (
    ROWS,
    WIDTH,
    AdamOracle,
    gradients,
    initial_weights,
    packed_table,
    slices,
)

OPTIONS = [
    {},
    {"correct_skipped": True},
    {"adaptive_epsilon": True, "epsilon": 1e-2},
    {"epsilon": 1e-2, "beta_1": 0.5, "beta_2": 0.9, "correct_skipped": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_equals_the_oracle_at_every_step_packed_and_plain(options):
    oracle = AdamOracle(initial_weights(), **options)
    packed_one, plain_one = LazyAdam(0.1, **options), LazyAdam(0.1, **options)
    packed = packed_table(initial_weights(), packed_one.row_slots)
    plain = tf.Variable(initial_weights())
    steps = [
        tf.function(lambda g, o=optimizer, v=variable: o.apply_gradients([(g, v)]))
        for optimizer, variable in ((packed_one, packed), (plain_one, plain))
    ]
    for rows, values in gradients():
        oracle(rows, values)
        for step in steps:
            step(slices(rows, values))
        np.testing.assert_allclose(packed[:, :WIDTH], oracle.weights, rtol=0, atol=2e-6)
        np.testing.assert_allclose(packed[:, WIDTH : 2 * WIDTH], oracle.m, rtol=0, atol=1e-6)
        np.testing.assert_allclose(packed[:, 2 * WIDTH : 3 * WIDTH], oracle.v, rtol=1e-5, atol=0)
        np.testing.assert_array_equal(plain, packed[:, :WIDTH])
    (state,) = plain_one.variables[1:]
    np.testing.assert_array_equal(state, packed[:, WIDTH:])
    np.testing.assert_array_equal(plain[5], initial_weights()[5])  # never read
    assert packed_one.iterations.numpy() == len(gradients())


def test_repeated_rows_are_added_up():
    optimizer, once = LazyAdam(0.1), AdamOracle(initial_weights())
    table = packed_table(initial_weights(), optimizer.row_slots)
    values = np.random.default_rng(0).normal(size=(4, WIDTH)).astype("float32")
    optimizer.apply_gradients([(slices(np.array([2, 0, 2, 2], "int32"), values), table)])
    once([2, 0], [values[0] + values[2] + values[3], values[1]])
    np.testing.assert_allclose(table[:, :WIDTH], once.weights, atol=1e-6)


@pytest.mark.parametrize("adaptive_epsilon", [False, True])
def test_is_keras_adam_where_every_row_is_read(adaptive_epsilon):
    options = {"adaptive_epsilon": adaptive_epsilon, "epsilon": 1e-3}
    keras, lazy = tf_keras.optimizers.Adam(0.1, **options), LazyAdam(0.1, **options)
    a, b = tf.Variable(initial_weights()), tf.Variable(initial_weights())
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = rng.permutation(ROWS).astype("int32")
        gradient = slices(rows, rng.normal(size=(ROWS, WIDTH)).astype("float32"))
        keras.apply_gradients([(gradient, a)])
        lazy.apply_gradients([(gradient, b)])
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 2)])
def test_is_keras_adam_for_dense_gradients_of_any_rank(shape):
    keras, lazy = tf_keras.optimizers.Adam(0.1), LazyAdam(0.1, correct_skipped=True)
    a, b = tf.Variable(tf.ones(shape)), tf.Variable(tf.ones(shape))
    for step in range(3):
        gradient = tf.random.stateless_normal(shape, [step, 0])
        keras.apply_gradients([(gradient, a)])
        lazy.apply_gradients([(gradient, b)])
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (5, 2, 3)])
def test_rows_of_a_variable_of_another_rank_move_alone(shape):
    table, flat = tf.Variable(tf.ones(shape)), tf.Variable(tf.ones((5, int(np.prod(shape[1:])))))
    rows = tf.constant([3, 1])
    values = tf.random.stateless_normal((2, *shape[1:]), [0, 0])
    LazyAdam(0.1).apply_gradients([(tf.IndexedSlices(values, rows, shape), table)])
    gradient = tf.IndexedSlices(tf.reshape(values, (2, -1)), rows, flat.shape)
    LazyAdam(0.1).apply_gradients([(gradient, flat)])
    np.testing.assert_array_equal(tf.reshape(table, flat.shape), flat)
    assert (table.numpy()[[0, 2, 4]] == 1.0).all()
    assert (table.numpy()[[1, 3]] != 1.0).all()


def test_corrected_moments_are_those_of_dense_adam():
    keras = tf_keras.optimizers.Adam(0.1)
    lazy = LazyAdam(0.1, correct_skipped=True)
    dense, table = tf.Variable(initial_weights()), packed_table(initial_weights(), lazy.row_slots)
    for rows, values in gradients():
        keras.apply_gradients([(slices(rows, values), dense)])  # moments of all rows decay
        lazy.apply_gradients([(slices(rows, values), table)])
        moments = [v for v in keras.variables if v.shape == dense.shape]
        for i, moment in enumerate(moments, start=1):
            received = table[:, i * WIDTH : (i + 1) * WIDTH].numpy()
            np.testing.assert_allclose(received[rows], moment.numpy()[rows], rtol=1e-4, atol=1e-7)
    assert last_step(table[:, -1]).numpy()[:5].tolist() == [6, 6, 7, 6, 6]
    assert last_step(table[:, -1]).numpy()[5] < 0  # never


def test_counts_steps_beyond_those_that_a_float_can_tell_apart():
    optimizer = LazyAdam(0.1, beta_1=0.5, correct_skipped=True)
    table = packed_table(initial_weights(), optimizer.row_slots)
    gradient = slices(np.array([0], "int32"), np.ones((1, WIDTH), "float32"))
    zero = slices(np.array([0], "int32"), np.zeros((1, WIDTH), "float32"))
    first = 2**25 + 1
    optimizer.iterations.assign(first - 1)
    optimizer.apply_gradients([(gradient, table)])
    assert last_step(table[0, -1]).numpy() == first
    optimizer.apply_gradients([(zero, table)])  # the step after it: nothing was skipped
    np.testing.assert_allclose(table[0, WIDTH], 0.5 * 0.5)
    optimizer.iterations.assign_add(1)  # a step that was not applied
    optimizer.apply_gradients([(zero, table)])
    np.testing.assert_allclose(table[0, WIDTH], 0.5 * 0.5 * 0.5 * 0.5)


def test_rows_older_than_a_count_that_began_again_do_not_grow():
    optimizer = LazyAdam(0.1, beta_1=0.5, correct_skipped=True)
    table = packed_table(initial_weights(), optimizer.row_slots)
    optimizer.iterations.assign(1000)
    one = slices(np.array([0], "int32"), np.ones((1, WIDTH), "float32"))
    optimizer.apply_gradients([(one, table)])
    optimizer.iterations.assign(0)
    optimizer.apply_gradients([(one, table)])
    np.testing.assert_allclose(table[0, WIDTH], 0.75)


@pytest.mark.parametrize("wrap", [False, True])
def test_a_dense_gradient_of_a_packed_table_is_refused(wrap):
    optimizer = LazyAdam(0.1)
    table = packed_table(initial_weights(), optimizer.row_slots)
    if wrap:
        optimizer = NetworkOptimizer(tf_keras.optimizers.SGD(0.1), optimizer)
    with pytest.raises(ValueError, match=r"dense gradient.*optimizer: adam"):
        optimizer.apply_gradients([(tf.ones_like(table), table)])


def test_rows_made_for_another_optimizer_are_refused():
    table = packed_table(initial_weights(), RowSlots(per_segment=1))
    with pytest.raises(ValueError, match=r"per_segment=1.*slots=optimizer.row_slots"):
        LazyAdam(0.1).build([table])


@pytest.mark.parametrize("wrong", [{"beta_1": 1.0}, {"beta_2": -0.1}, {"epsilon": np.nan}])
def test_constants_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        LazyAdam(**wrong)


def test_round_trips_through_its_config():
    given = {"beta_1": 0.5, "beta_2": 0.7, "epsilon": 0.1, "adaptive_epsilon": True}
    optimizer = LazyAdam(0.25, **given, correct_skipped=True)
    clone = tf_keras.optimizers.deserialize(tf_keras.optimizers.serialize(optimizer))
    assert isinstance(clone, LazyAdam)
    assert clone.correct_skipped is True
    assert {name: getattr(clone, name) for name in given} == given
    assert clone.learning_rate.numpy() == 0.25


def test_a_table_marked_without_slots_is_an_ordinary_variable():
    oracle, optimizer = AdamOracle(initial_weights()), LazyAdam(0.1)
    table = tf.Variable(initial_weights())
    mark_table(table, TableRows((WIDTH,)))
    for rows, values in gradients():
        oracle(rows, values)
        optimizer.apply_gradients([(slices(rows, values), table)])
    np.testing.assert_allclose(table, oracle.weights, rtol=0, atol=2e-6)
