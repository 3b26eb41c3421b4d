"""What a branch can see of a batch: embedded fields and histories."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf


class History(NamedTuple):
    """Earlier events of a user, step by step, oldest first.

    The sequences that have a target, the feature of the example that shares their vocabulary
    (clicked items: the shown item), come first in `events`.

    events: (batch, length, embedding_dim x number of aligned sequences), 0 where padded (on the
        right).
    mask: bool (batch, length), True where there is an event.
    target: (batch, embedding_dim x number of sequences with a target): what keys are compared with.
    """

    events: tf.Tensor
    mask: tf.Tensor
    target: tf.Tensor

    @property
    def keys(self) -> tf.Tensor:
        """The part of `events` that `target` corresponds to: (batch, length, width of target)."""
        return self.events[:, :, : self.target.shape[-1]]


class Embedded(NamedTuple):
    """One embedding set's view of a batch.

    field_embeddings: (batch, num_fields, embedding_dim), one per input in the order of
        declaration; a multi-valued or sequence input is the mean of its rows.
    non_sequence: (batch, fewer, embedding_dim), those of the inputs that are no sequences.
    histories: By the name of the history.
    first_order: (batch, num_fields), a number per input: the w_i[x_i] of linear models and
        factorization machines. (batch, 0) where no branch of the embedding set asks for it.
    extra: Further embedding sets, for a branch that asks for them (`Branch.num_extra_sets`).
    """

    field_embeddings: tf.Tensor
    non_sequence: tf.Tensor
    histories: dict[str, History]
    first_order: tf.Tensor
    extra: tuple["Embedded", ...] = ()

    @property
    def flat(self) -> tf.Tensor:
        """All field embeddings side by side: (batch, num_fields x embedding_dim)."""
        return flatten(self.field_embeddings)


def flatten(x: tf.Tensor) -> tf.Tensor:
    """(batch, n, width) -> (batch, n x width); the batch may be empty."""
    _, n, width = x.shape
    return tf.reshape(x, (-1, n * width))


def history_view(
    ids: Mapping[str, tf.Tensor],
    steps: Mapping[str, tf.Tensor],
    targets: Mapping[str, tf.Tensor],
    field_embeddings: tf.Tensor,
) -> History:
    """The aligned sequences of one history, those with a target first.

    Args:
        ids: Sequence -> (batch, length), 0 where padded.
        steps: Sequence -> (batch, length, embedding_dim).
        targets: Sequence -> (batch, embedding_dim), for those that have one.
        field_embeddings: (batch, num_fields, embedding_dim), for the batch size where there is no
            target.
    """
    with_target = [name for name in steps if name in targets]
    ordered = [*with_target, *(name for name in steps if name not in targets)]
    target = [targets[name] for name in with_target] or [field_embeddings[:, 0, :0]]
    return History(
        tf.concat([steps[name] for name in ordered], axis=-1),
        tf.reduce_any([ids_of_sequence != 0 for ids_of_sequence in ids.values()], axis=0),
        tf.concat(target, axis=-1),
    )
