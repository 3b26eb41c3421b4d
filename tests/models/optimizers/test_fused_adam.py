"""The fused kernel is tf_keras' Adam, and the oracle's."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.optimizers import FusedAdam, RowSlots
from tests.models.optimizers.oracles import (
    ROWS,
    AdamOracle,
    gradients,
    initial_weights,
    packed_table,
    slices,
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"epsilon": 1e-2},
        {"epsilon": 1e-2, "adaptive_epsilon": True, "beta_1": 0.5, "beta_2": 0.9},
    ],
)
def test_equals_keras_adam_and_the_oracle_at_every_step(options):
    oracle = AdamOracle(initial_weights(), **options)
    keras, fused = tf_keras.optimizers.Adam(0.1, **options), FusedAdam(0.1, **options)
    a, b = tf.Variable(initial_weights()), tf.Variable(initial_weights())
    step = tf.function(lambda gradient: fused.apply_gradients([(gradient, b)]))
    for rows, values in gradients():
        every = np.zeros_like(initial_weights())
        every[rows] = values
        oracle(range(ROWS), every)  # rows without a gradient move too
        keras.apply_gradients([(slices(rows, values), a)])
        step(slices(rows, values))
        np.testing.assert_allclose(b, oracle.weights, rtol=0, atol=5e-6)
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5)


def test_repeated_rows_and_dense_gradients_come_to_the_same():
    a, b = tf.Variable(initial_weights()), tf.Variable(initial_weights())
    values = np.random.default_rng(0).normal(size=(3, a.shape[1])).astype("float32")
    gradient = slices(np.array([2, 0, 2], "int32"), values)
    one, other = FusedAdam(0.1), FusedAdam(0.1)
    one.apply_gradients([(gradient, a)])
    other.build([b])
    other.update_step(gradient, b)  # without tf_keras' deduplication
    np.testing.assert_array_equal(a, b)
    dense = FusedAdam(0.1)
    c = tf.Variable(initial_weights())
    dense.apply_gradients([(tf.convert_to_tensor(gradient), c)])
    np.testing.assert_array_equal(a, c)


def test_rows_that_hold_the_state_of_another_optimizer_are_refused():
    table = packed_table(initial_weights(), RowSlots(per_column=2))
    gradient = slices(*gradients()[0])
    with pytest.raises(ValueError, match="network without slots"):
        FusedAdam().apply_gradients([(gradient, table)])


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match=r"Use tf_keras.optimizers.Adam"):
        FusedAdam(amsgrad=True)


def test_round_trips_through_its_config():
    optimizer = FusedAdam(0.25, beta_1=0.5, beta_2=0.75, epsilon=0.1, adaptive_epsilon=True)
    clone = tf_keras.optimizers.deserialize(tf_keras.optimizers.serialize(optimizer))
    assert isinstance(clone, FusedAdam)
    assert (clone.beta_1, clone.beta_2, clone.epsilon) == (0.5, 0.75, 0.1)
    assert clone.adaptive_epsilon is True
    assert clone.learning_rate.numpy() == 0.25
