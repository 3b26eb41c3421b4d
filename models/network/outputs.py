"""What a network says of a batch."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from models.embeddings.row_table import ReadRows


class ForLosses(NamedTuple):
    """What the losses read of a batch beside the outputs; for `CooperativeNetwork.loss_terms`.

    Attributes:
        inputs: The branches' flat inputs (B, n, D), where a loss takes them.
        intermediates: Outputs of the branches' layers, layer by layer (B, n, d_l), where a loss
            takes them.
        branch_losses: The branches' own losses, float32 scalars by the names of their terms.
        teacher_logits: The teachers' logits (B, teachers), where there are teachers.
        read: In training the rows that were read, one entry for each table.
    """

    inputs: tf.Tensor | None = None
    intermediates: tuple[tf.Tensor, ...] | None = None
    branch_losses: Mapping[str, tf.Tensor] = {}
    teacher_logits: tf.Tensor | None = None
    read: tuple[ReadRows, ...] = ()


class NetworkOutputs(NamedTuple):
    """What a network says of a batch of B examples, with n branches.

    Attributes:
        logit: The fused logit, float32 (B, 1).
        branch_logits: The branches' logits, float32 (B, n); None where they have no heads.
        representations: The branches' aligned representations (B, n, d); None of a branch that
            was cut out of its network.
        fusion_weights: The weights of the branches in the fusion, float32 (B, n); None where it
            does not weigh them.
        for_losses: Internal: what the losses read.
    """

    logit: tf.Tensor
    branch_logits: tf.Tensor | None = None
    representations: tf.Tensor | None = None
    fusion_weights: tf.Tensor | None = None
    for_losses: ForLosses = ForLosses()
