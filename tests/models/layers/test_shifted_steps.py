"""Steps that move: against loops, with gradients, and in graphs of unknown length."""

import numpy as np
import pytest
import tensorflow as tf

from models.layers.shifted_steps import shifted_steps


def by_loops(steps, by, length):
    """Every step put where it goes, one after the other."""
    moved = np.zeros((len(steps), length, steps.shape[2]), np.float64)
    for example, places in enumerate(by):
        for step in range(steps.shape[1]):
            if 0 <= step + places < length:
                moved[example, step + places] = steps[example, step]
    return moved


@pytest.mark.parametrize("length", [1, 3, 5, 8])
def test_steps_and_their_gradients_move_as_by_loops(length):
    rng = np.random.default_rng(length)
    by = np.array([0, 1, 4, 7, -1, -5, 9], np.int32)
    steps = rng.normal(size=(len(by), 5, 3)).astype(np.float32)
    upstream = rng.normal(size=(len(by), length, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        variable = tf.Variable(steps)
        moved = shifted_steps(variable, tf.constant(by), length)
        loss = tf.reduce_sum(moved * upstream)
    np.testing.assert_array_equal(moved, by_loops(steps, by, length))
    np.testing.assert_array_equal(tape.gradient(loss, variable), by_loops(upstream, -by, 5))


def test_a_graph_moves_steps_whose_number_it_does_not_know():
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 2]), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def moved(steps, by):
        return shifted_steps(steps, by, tf.shape(steps)[1] + 2)

    steps = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)
    by = np.array([2, 1], np.int32)
    np.testing.assert_array_equal(moved(steps, by), by_loops(steps, by, 5))
    assert moved(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.int32)).shape == (0, 6, 2)
