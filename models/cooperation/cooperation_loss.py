"""What cooperation losses have in common: what they are handed, what they hand back."""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
import tf_keras

LossInput = Literal[
    "labels",
    "logits",
    "logit",
    "representations",
    "inputs",
    "intermediates",
    "teacher_logits",
    "base_rate",
]


class CooperationLoss(tf_keras.layers.Layer):
    """A term of the loss that ties branches together, or the network to other networks.

    A subclass sets `takes` and defines `call`, with an argument for each name in it. It computes
    in float32 unless told otherwise, also under mixed precision: losses differ by little, which
    bfloat16 rounds away.

    Attributes:
        takes: Names of what it is called with, the first by position and the others by name; see
            `models.cooperation`. A subclass, or an instance by its settings, says which.
        pairwise: Whether it compares branches, and so needs two of them at least.
        needs_teachers: Whether it needs pre-trained networks. Without any it is not called, and 0.

    Returns:
        Float32 scalar: this replica's share of the mean over the global batch
        (`models.replicas`).
    """

    takes: tuple[LossInput, ...] = ()
    pairwise: bool = True
    needs_teachers: bool = False

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def loss_of(self, tensors: Mapping[LossInput, Any]) -> tf.Tensor:
        """Calls the loss on what it takes.

        Args:
            tensors: What the network has, by name; more than the loss takes is left alone.
        """
        first, *further = self.takes
        return self(tensors[first], **{name: tensors[name] for name in further})

    def diagnostics(self, tensors: Mapping[LossInput, Any]) -> dict[str, tf.Tensor]:
        """What shows whether the loss can act; logged beside it, without a gradient.

        Args:
            tensors: As for `loss_of`.

        Returns:
            By name, float32 scalars, or (pairs,) with a number for each pair of branches (0, 1),
            (0, 2), ..., (1, 2), ...: this replica's share of the value for the global batch. The
            names and shapes are the same for every batch, also one of 0 rows. None by default.
        """
        return {}
