"""Row-wise Adagrad against a float64 oracle, packed and plain."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.optimizers import RowwiseAdagrad, TableRows, mark_table
from tests.models.optimizers.oracles import (
    SEGMENTS,
    WIDTH,
    RowwiseAdagradOracle,
    gradients,
    initial_weights,
    packed_table,
    slices,
)


@pytest.mark.parametrize(("initial", "epsilon"), [(0.0, 1e-8), (0.1, 0.5)])
@pytest.mark.parametrize("segments", [SEGMENTS, (WIDTH,)])
def test_equals_the_oracle_at_every_step_packed_and_plain(initial, epsilon, segments):
    oracle = RowwiseAdagradOracle(initial_weights(), 0.1, initial, epsilon, segments)
    one, other = RowwiseAdagrad(0.1, initial, epsilon), RowwiseAdagrad(0.1, initial, epsilon)
    packed = packed_table(initial_weights(), one.row_slots, segments)
    plain = tf.Variable(initial_weights())
    mark_table(plain, TableRows(segments))
    for rows, values in gradients():
        oracle(rows, values)
        one.apply_gradients([(slices(rows, values), packed)])
        other.apply_gradients([(slices(rows, values), plain)])
        np.testing.assert_allclose(packed[:, :WIDTH], oracle.weights, rtol=0, atol=1e-6)
        np.testing.assert_allclose(packed[:, WIDTH:], oracle.sums, rtol=1e-6)
        np.testing.assert_array_equal(plain, packed[:, :WIDTH])


def test_an_unmarked_variable_is_one_segment_and_a_dense_gradient_moves_it_alike():
    optimizer, dense = RowwiseAdagrad(0.1), RowwiseAdagrad(0.1)
    oracle = RowwiseAdagradOracle(initial_weights(), segments=(WIDTH,))
    a, b = tf.Variable(initial_weights()), tf.Variable(initial_weights())
    for rows, values in gradients():
        oracle(rows, values)
        optimizer.apply_gradients([(slices(rows, values), a)])
        dense.apply_gradients([(tf.convert_to_tensor(slices(rows, values)), b)])
    np.testing.assert_allclose(a, oracle.weights, rtol=0, atol=1e-6)
    np.testing.assert_allclose(b, oracle.weights, rtol=0, atol=1e-6)


def test_is_keras_adagrad_for_rows_of_one_column():
    a, b = tf.Variable(tf.ones([4, 1])), tf.Variable(tf.ones([4, 1]))
    keras, own = tf_keras.optimizers.Adagrad(0.1, 0.1, 0.0), RowwiseAdagrad(0.1, 0.1, 1e-30)
    for step in range(3):
        values = tf.random.stateless_normal((2, 1), [step, 0])
        gradient = tf.IndexedSlices(values, tf.constant([step, 3]), tf.constant([4, 1]))
        keras.apply_gradients([(gradient, a)])
        own.apply_gradients([(gradient, b)])
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_gradient_of_zeros_moves_nothing_not_even_at_first():
    table = tf.Variable(initial_weights())
    RowwiseAdagrad().apply_gradients([(tf.zeros_like(table), table)])
    np.testing.assert_array_equal(table, initial_weights())


def test_constants_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="initial_accumulator_value=-1"):
        RowwiseAdagrad(initial_accumulator_value=-1.0)
    with pytest.raises(ValueError, match="epsilon=0"):
        RowwiseAdagrad(epsilon=0.0)


def test_round_trips_through_its_config():
    optimizer = RowwiseAdagrad(0.25, 0.5, 0.125)
    clone = tf_keras.optimizers.deserialize(tf_keras.optimizers.serialize(optimizer))
    assert (clone.initial_accumulator_value, clone.epsilon) == (0.5, 0.125)
    assert clone.learning_rate.numpy() == 0.25
