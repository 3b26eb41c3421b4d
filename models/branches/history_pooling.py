"""What branches do to histories: choose, clean, join, pool."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from features.errors import did_you_mean
from models.embeddings.embedded import History
from models.layers.axis_length import axis_length, largest
from models.layers.shifted_steps import shifted_steps


def compared_histories(
    layer: str, target_widths: Mapping[str, int], chosen: Sequence[str] | None
) -> tuple[str, ...]:
    """Sorted names of the histories that a branch compares with the shown item.

    Args:
        layer: The branch's name, for messages.
        target_widths: By history, the width of its target; 0 for none.
        chosen: Names the user wants; None is every history that has a target.

    Raises:
        ValueError: A name that does not exist or has no target; nothing left to compare.
    """
    able = sorted(name for name, width in target_widths.items() if width)
    if chosen is not None and not chosen:
        raise ValueError(
            f"{layer}: `histories` is empty. Name one, or leave it out for all that have a target."
        )
    for name in chosen or ():
        if name not in target_widths:
            raise ValueError(
                f"{layer}: `histories` names {name!r}, which is not a history. "
                f"{did_you_mean(name, target_widths)}"
            )
        if name not in able:
            raise ValueError(
                f"{layer}: history {name!r} has no target: no feature of the shown item shares a "
                f"vocabulary with one of its sequences. With a target: {', '.join(able) or 'none'}."
            )
    if not able:
        raise ValueError(
            f"{layer}: expected a history with a target, a feature of the shown item that shares "
            f"a vocabulary with a sequence. Received histories without: {sorted(target_widths)}."
        )
    return tuple(sorted(set(chosen))) if chosen is not None else tuple(able)


def cleaned(history: History) -> History:
    """The history with zeros where there is no event, whatever was there."""
    steps = history.events
    zeros = tf.zeros_like(steps)
    return history._replace(events=tf.where(history.mask[:, :, tf.newaxis], steps, zeros))


def joined_by_recency(histories: Mapping[str, History]) -> History:
    """One history whose step t holds the t-th event before the example of every history.

    Histories of unlike events are not aligned with each other; what their steps share is how many
    events came after. The last events of all stand in one step, those before them in the one in
    front of it, and a step that a shorter history does not have holds zeros in its part.

    Args:
        histories: By name, cleaned, padded on the right to any length.

    Returns:
        Events (batch, longest padded length, sum of the widths), in the order of the names; a mask
        that is True where any history has an event; no target. One history is returned as it is.
    """
    if len(histories) == 1:
        return next(iter(histories.values()))
    names = sorted(histories)
    longest = largest(axis_length(histories[name].mask, 1) for name in names)
    counts = [_count(histories[name]) for name in names]
    count = tf.reduce_max(counts, axis=0)
    moved = [
        shifted_steps(histories[name].events, count - of_history, longest)
        for name, of_history in zip(names, counts, strict=True)
    ]
    for steps, name in zip(moved, names, strict=True):
        steps.set_shape((None, None, histories[name].events.shape[2]))
    events = tf.concat(moved, axis=-1)
    return History(events, tf.sequence_mask(count, longest), events[:, 0, :0])


def _count(history: History) -> tf.Tensor:
    """Events of each example, int32 (batch,)."""
    return tf.reduce_sum(tf.cast(history.mask, tf.int32), axis=1)


def mean_step(history: History) -> tf.Tensor:
    """The mean event of a cleaned history, (batch, width of a step); 0 where it is empty."""
    total = tf.reduce_sum(tf.cast(history.events, tf.float32), axis=1)
    count = tf.reduce_sum(tf.cast(history.mask, tf.float32), axis=1, keepdims=True)
    return tf.cast(total / tf.maximum(count, 1.0), history.events.dtype)
