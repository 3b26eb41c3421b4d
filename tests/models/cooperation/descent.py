"""Gradient descent on a loss, on one replica or on two with unequal shares of the batch."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tests.replicas import shares_of


def descend(
    loss_of: Callable,
    weights: np.ndarray,
    *arrays: np.ndarray,
    strategy: tf.distribute.Strategy | None = None,
    at: int = 0,
    steps: int,
) -> tuple[list[float], np.ndarray]:
    """Losses of all steps and the last weights; shares and their gradients are summed.

    Args:
        loss_of: (weights, *arrays) -> this replica's share of the loss.
        weights: What the first step starts from.
        *arrays: The examples, in rows.
        strategy: That of two replicas; None for one replica.
        at: The first replica gets rows [0, at), the second the rest.
        steps: Number of steps.
    """

    current = tf.Variable(weights)  # not a constant, so that all steps share a graph

    def share(*arrays):
        w = tf.convert_to_tensor(current)
        with tf.GradientTape() as tape:
            tape.watch(w)
            loss = loss_of(w, *arrays)
        return tf.concat([[loss], tf.reshape(tape.gradient(loss, w), [-1])], axis=0)

    if strategy is None:
        strategy, inputs = tf.distribute.get_strategy(), [tf.constant(array) for array in arrays]
    else:
        inputs = shares_of(strategy, *arrays, at=at)
    step = tf.function(lambda *args: strategy.run(share, args=args), autograph=False)
    losses = []
    for _ in range(steps):
        parts = strategy.experimental_local_results(step(*inputs))
        total = sum(part.numpy() for part in parts)
        losses.append(total[0])
        current.assign_sub(0.5 * total[1:].reshape(weights.shape))
    return losses, current.numpy()


def assert_two_replicas_equal_one(two_replicas, loss_of, weights, *arrays) -> None:
    for at, steps in ((2, 4), (0, 1)):  # the second leaves the first replica without examples
        losses, descended = descend(loss_of, weights, *arrays, steps=steps)
        assert np.abs(descended - weights).max() > 1e-3, "no gradient: nothing is compared"
        received = descend(loss_of, weights, *arrays, strategy=two_replicas, at=at, steps=steps)
        np.testing.assert_allclose(received[0], losses, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(received[1], descended, rtol=1e-6, atol=1e-6)


def slope(function: Callable, x: np.ndarray, direction: np.ndarray, step: float = 1e-5) -> float:
    """The derivative of `function` at `x` along `direction`, by central differences."""
    x = x.astype("float64")
    return (function(x + step * direction) - function(x - step * direction)) / step / 2


def gradient(loss_of: Callable, x: np.ndarray) -> np.ndarray:
    """The gradient of a loss, checked to be finite."""
    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_of(x)
    received = tape.gradient(loss, x).numpy()
    assert np.isfinite(loss)
    assert np.isfinite(received).all()
    return received
