"""What a branch can see of a batch: embedded fields and histories."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf


class History(NamedTuple):
    """Earlier events of a user, step by step, oldest first.

    The sequences that have a target, the feature of the example that shares their vocabulary
    (clicked items: the shown item), come first in `steps`.

    steps: (batch, length, width x number of aligned sequences), 0 where padded (on the right).
    mask: bool (batch, length), True where there is an event.
    target: (batch, width x number of sequences with a target): what keys are compared with.
    """

    steps: tf.Tensor
    mask: tf.Tensor
    target: tf.Tensor

    @property
    def keys(self) -> tf.Tensor:
        """The part of `steps` that `target` corresponds to: (batch, length, width of target)."""
        return self.steps[:, :, : self.target.shape[-1]]


class Embedded(NamedTuple):
    """One table set's view of a batch.

    tokens: (batch, num_fields, width), one token per input in the order of declaration; a
        multi-valued or sequence input is the mean of its rows.
    non_sequence: (batch, fewer, width), the tokens of the inputs that are no sequences.
    histories: By the name of the history.
    first_order: (batch, num_fields), a number per input: the w_i[x_i] of linear models and
        factorization machines. (batch, 0) where no branch of the table set asks for it.
    extra: Further table sets, for a branch that asks for them (`Branch.num_extra_sets`).
    """

    tokens: tf.Tensor
    non_sequence: tf.Tensor
    histories: dict[str, History]
    first_order: tf.Tensor
    extra: tuple["Embedded", ...] = ()

    @property
    def flat(self) -> tf.Tensor:
        """All tokens side by side: (batch, num_fields x width)."""
        return flatten(self.tokens)


def flatten(tokens: tf.Tensor) -> tf.Tensor:
    """(batch, n, width) -> (batch, n x width); the batch may be empty."""
    _, n, width = tokens.shape
    return tf.reshape(tokens, (-1, n * width))


def history_view(
    ids: Mapping[str, tf.Tensor],
    steps: Mapping[str, tf.Tensor],
    targets: Mapping[str, tf.Tensor],
    tokens: tf.Tensor,
) -> History:
    """The aligned sequences of one history, those with a target first.

    Args:
        ids: Sequence -> (batch, length), 0 where padded.
        steps: Sequence -> (batch, length, width).
        targets: Sequence -> (batch, width), for those that have one.
        tokens: (batch, num_fields, width), for the batch size where there is no target.
    """
    aimed = [name for name in steps if name in targets]
    ordered = [*aimed, *(name for name in steps if name not in aimed)]
    return History(
        tf.concat([steps[name] for name in ordered], axis=-1),
        tf.reduce_any([each != 0 for each in ids.values()], axis=0),
        tf.concat([targets[name] for name in aimed], axis=-1) if aimed else tokens[:, 0, :0],
    )
