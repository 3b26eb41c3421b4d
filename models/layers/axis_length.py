"""Lengths of axes that a graph may not know."""

from collections.abc import Iterable

import tensorflow as tf


def axis_length(x: tf.Tensor, axis: int) -> int | tf.Tensor:
    """The length of an axis: a number where the graph knows it, else an int32 scalar.

    Batches of training are cut to their longest history, so that there the number of steps is
    another one in every batch; in an export it is known.
    """
    known = x.shape[axis]
    return tf.shape(x)[axis] if known is None else known


def largest(lengths: Iterable[int | tf.Tensor]) -> int | tf.Tensor:
    """The largest of some lengths, a number where all are known."""
    lengths = list(lengths)
    return max(lengths) if all(isinstance(n, int) for n in lengths) else tf.reduce_max(lengths)
