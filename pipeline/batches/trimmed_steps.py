"""Histories of a batch without the steps that no example of the batch has."""

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf


def trim_steps(
    features: Mapping[str, tf.Tensor], histories: Collection[Sequence[str]]
) -> dict[str, tf.Tensor]:
    """The features with each history cut to its longest in the batch, and one step.

    Padding stands on the right and takes no part in what a network computes, so results are equal
    up to the rounding of sums. One step of padding stays where there was any: with it the batch
    reads the same rows of tables as without the cut, and lazy optimizers move the same.

    Args:
        features: Name -> tensor; those of histories are ids (batch, steps), 0 where padded.
        histories: Names of the sequences of each history: they share their steps.

    Returns:
        The features; the number of steps is one that graphs do not know.
    """
    trimmed = dict(features)
    for names in histories:
        is_event = tf.reduce_any([features[name] != 0 for name in names], axis=[0, 1])  # (steps,)
        steps = tf.size(is_event)
        places = tf.range(1, steps + 1)
        longest = tf.reduce_max(tf.where(is_event, places, 0))
        kept = tf.minimum(longest + 1, steps)
        for name in names:
            trimmed[name] = features[name][:, :kept]
    return trimmed
