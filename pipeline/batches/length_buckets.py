"""Batches of examples whose histories are about equally long, so that trimming saves the most."""

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf

from features.raw_tensors import lengths_of


def history_lengths(
    columns: Mapping[str, tf.Tensor], histories: Collection[Sequence[str]]
) -> tf.Tensor:
    """Steps of each row's longest history: int32 (rows,).

    Args:
        columns: Name -> column; those of histories are ids (rows, steps), 0 where padded.
        histories: Names of the sequences of each history: they share their steps.
    """
    of_each = [
        lengths_of(tf.reduce_any([columns[name] != 0 for name in names], axis=0))
        for names in histories
    ]
    return tf.reduce_max(of_each, axis=0)


def bucketed_order(
    order: tf.Tensor, lengths: tf.Tensor, batch_size: int, seed: Sequence[tf.Tensor]
) -> tf.Tensor:
    """A random order of rows in which every `batch_size` rows have histories of like lengths.

    The rows are cut into batches by their rank in length, ties in the random order; the batches
    then come in a random order, and the rows of a batch in the random order too. What is left over,
    rows of any length, stands at the end.

    Args:
        order: Row numbers (rows,) in a random order.
        lengths: int32 (rows,), by row number.
        batch_size: Rows of a batch.
        seed: Two integers, for `tf.random.experimental.stateless_shuffle`.

    Returns:
        The same row numbers (rows,) in the new order.
    """
    batches = tf.size(order) // batch_size
    in_batches, left_over = tf.split(order, [batches * batch_size, -1])
    by_length = tf.argsort(tf.gather(lengths, in_batches), stable=True)
    place_of_batch = tf.random.experimental.stateless_shuffle(tf.range(batches), seed=seed)
    place = tf.scatter_nd(
        by_length[:, tf.newaxis], tf.repeat(place_of_batch, batch_size), tf.shape(by_length)
    )
    in_batches = tf.gather(in_batches, tf.argsort(place, stable=True))
    return tf.concat([in_batches, left_over], axis=0)
