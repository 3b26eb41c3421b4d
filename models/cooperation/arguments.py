"""What the losses refuse: settings they do not know, tensors of shapes that do not fit."""

import itertools
from collections.abc import Sequence

import tensorflow as tf


def check_choice(layer: str, name: str, value: object, known: Sequence[object]) -> None:
    """Refuses a setting that is not one of `known`.

    Raises:
        ValueError: Names the setting and what it may be.
    """
    if value not in known:
        raise ValueError(
            f"{layer}: `{name}` must be one of {', '.join(map(str, known))}. "
            f"Received: {name}={value!r}."
        )


def branch_pairs(layer: str, shape: tf.TensorShape) -> list[tuple[int, int]]:
    """The unordered pairs of branches: (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        ValueError: `shape` is not (batch, n >= 2, d).
    """
    if len(shape) != 3 or not shape[1] or shape[1] < 2 or not shape[2]:
        raise ValueError(
            f"{layer}: expected representations (batch, num_branches >= 2, d). "
            f"Received: {tuple(shape)}. Stack the branches' representations on axis 1."
        )
    return list(itertools.combinations(range(shape[1]), 2))


def check_logits(layer: str, logits: tf.Tensor) -> None:
    """Refuses logits other than (batch, num_branches >= 2).

    Raises:
        ValueError: Says how to stack them.
    """
    if logits.shape.rank != 2 or not logits.shape[1] or logits.shape[1] < 2:
        raise ValueError(
            f"{layer}: expected logits (batch, num_branches >= 2). "
            f"Received: {tuple(logits.shape)}. Concatenate the branch logits on axis 1."
        )


def check_logits_and_labels(layer: str, logits: tf.Tensor, labels: tf.Tensor) -> None:
    """Refuses logits other than (batch, num_branches >= 2), or labels other than (batch, 1).

    Raises:
        ValueError: Says how to mend them.
    """
    if logits.shape.rank != 2 or logits.shape[1] == 1 or labels.shape[1:] != (1,):
        # Labels of shape (batch,) would broadcast against the branches in silence.
        raise ValueError(
            f"{layer}: expected logits (batch, num_branches >= 2) and labels (batch, 1). "
            f"Received: logits {tuple(logits.shape)} and labels {tuple(labels.shape)}. "
            "Concatenate the branch logits on axis 1; use labels[:, tf.newaxis]."
        )
