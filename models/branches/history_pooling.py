"""What branches do to histories: choose, clean, join, pool."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from features.errors import did_you_mean
from models.embeddings.embedded import History
from models.layers.axis_length import axis_length, largest


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
    lengths = {name: axis_length(history.mask, 1) for name, history in histories.items()}
    longest = largest(lengths.values())
    newest_first, counts = [], []
    for name in sorted(histories):
        events, mask, _ = histories[name]
        counts.append(tf.reduce_sum(tf.cast(mask, tf.int32), axis=1))
        # The gradient of a reversal is a reversal; that of a gather would be a scatter.
        turned = tf.reverse_sequence(events, counts[-1], seq_axis=1)
        padded = tf.pad(turned, [[0, 0], [0, longest - lengths[name]], [0, 0]])
        padded.set_shape((None, None, events.shape[2]))
        newest_first.append(padded)
    count = tf.reduce_max(counts, axis=0)
    events = tf.reverse_sequence(tf.concat(newest_first, axis=-1), count, seq_axis=1)
    return History(events, tf.sequence_mask(count, longest), events[:, 0, :0])


def mean_step(history: History) -> tf.Tensor:
    """The mean event of a cleaned history, (batch, width of a step); 0 where it is empty."""
    total = tf.reduce_sum(tf.cast(history.events, tf.float32), axis=1)
    count = tf.reduce_sum(tf.cast(history.mask, tf.float32), axis=1, keepdims=True)
    return tf.cast(total / tf.maximum(count, 1.0), history.events.dtype)
