"""Features that are given once for a whole batch: one user beside N candidates."""

import itertools
from collections.abc import Mapping, Sequence

import tensorflow as tf


def given_once(features: Mapping[str, tf.Tensor]) -> frozenset[str]:
    """Names of the features whose shapes say a batch of 1, where others' do not.

    None where all say 1.
    """
    names = frozenset(name for name, x in features.items() if x.shape[0] == 1)
    return names if len(names) < len(features) else frozenset()


def repeated(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """(batch or 1, ...) -> (batch, ...)."""
    return tf.broadcast_to(x, (batch, *x.shape[1:])) if x.shape[0] == 1 else x


def side_by_side(parts: Sequence[tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
    """Parts (batch or 1, k, columns) -> (batch, sum of the k, columns).

    Neighbours that are given once are joined before they are repeated.
    """
    groups = [list(group) for _, group in itertools.groupby(parts, key=lambda x: x.shape[0] == 1)]
    joined = [repeated(tf.concat(group, axis=1), batch) for group in groups]
    return joined[0] if len(joined) == 1 else tf.concat(joined, axis=1)
