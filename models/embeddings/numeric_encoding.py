"""Encodings of numbers that a learned linear layer turns into embeddings."""

import math

import tensorflow as tf


def encoded_length(pieces: int) -> int:
    """Length of the encoding that `piecewise_linear` makes."""
    return pieces + 2


def piecewise_linear(place: tf.Tensor, pieces: int) -> tf.Tensor:
    """The piecewise-linear encoding of numbers, with a bias, and what stands for a missing one.

    PLE(x) = [e_1, ..., e_T], e_t = clip((x - b_{t-1}) / (b_t - b_{t-1}), 0, 1)      (Eq. 1)

    A linear layer over it is a function of x that is linear between the quantiles b_t, continuous,
    and otherwise free. In front of it stands 1 for the layer's bias, behind it a flag of its own
    weights for a missing number, of which all else is 0.

    Reference: Gorishniy, Rubachev and Babenko, arXiv:2203.05556v4, section 3.2, with quantiles as
    bins (section 3.2.1). Behind it stands Linear(PLE(x)) = v_0 + sum of e_t v_t, as there.

    Args:
        place: Where each number lies among the edges, as `features.preprocessing.piecewise_place`
            tells it: (batch,), in [0, 1], or -1 where it is missing.
        pieces: T, the number of pieces.

    Returns:
        float32 (batch, T + 2).
    """
    place = place[:, tf.newaxis]
    missing = tf.cast(place < 0.0, tf.float32)  # (B, 1)
    passed = tf.clip_by_value(place * pieces - tf.range(pieces, dtype=tf.float32), 0.0, 1.0)
    return tf.concat([1.0 - missing, passed, missing], axis=1)


def periodic(value: tf.Tensor, frequencies: tf.Tensor) -> tf.Tensor:
    """Sines and cosines of numbers at learned frequencies, of each embedding set's own.

    Periodic(x) = [sin(2 pi c_1 x), ..., cos(2 pi c_1 x), ...]                       (Eq. 2)

    Reference: Gorishniy, Rubachev and Babenko, arXiv:2203.05556v4, section 3.3. The linear layer
    behind it has no bias here, and the ReLU that some of the paper's variants end with is left out:
    field embeddings of ids have neither.

    Args:
        value: (batch,).
        frequencies: c, (num_sets, k).

    Returns:
        float32 (batch, num_sets, 2 k).
    """
    angles = 2.0 * math.pi * value[:, tf.newaxis, tf.newaxis] * frequencies  # (B, sets, k)
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
