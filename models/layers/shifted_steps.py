"""Steps of histories moved to later places."""

import tensorflow as tf

from models.layers.axis_length import axis_length


def shifted_steps(steps: tf.Tensor, by: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    """The steps of each example, moved by its own number of places; 0 where none came to.

    Its gradient moves back, which is a gather too; that of a plain gather would be a scatter.

    Args:
        steps: Float tensor (batch, steps, width).
        by: int32 (batch,), places; negative ones move to earlier places.
        length: Steps of the result.

    Returns:
        (batch, length, width): place t holds step t - by, where there is such a step.
    """
    before = axis_length(steps, 1)

    @tf.custom_gradient
    def moved(steps: tf.Tensor) -> tuple:
        return _moved(steps, by, length), lambda upstream: _moved(upstream, -by, before)

    return moved(steps)


def _moved(steps: tf.Tensor, by: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    source = tf.range(length)[tf.newaxis] - by[:, tf.newaxis]  # (batch, length)
    last = axis_length(steps, 1) - 1
    is_there = (source >= 0) & (source <= last)
    found = tf.gather(steps, tf.clip_by_value(source, 0, last), batch_dims=1)
    return tf.where(is_there[:, :, tf.newaxis], found, tf.zeros_like(found))
