"""EFGC: crossing inside chosen groups of fields."""

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import ReducedBranch
from models.embeddings.embedded import flatten
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class GroupedCross(ReducedBranch):
    """Extensible feature grouping and crossing: an MLP per group of fields, then one layer.

    With e_x the embedding of field x and g_1..g_N the groups:

        e_g = concat(e_x for x in g)                (Eq. 2)
        h_g = MLP_g(e_g)                            (Eq. 3)
        h   = FC(concat(h_g_1, ..., h_g_N))         (Eq. 4)

    A field may stand in several groups or in none. FC has a ReLU, as a hidden layer in front of
    the shared top; the paper does not say.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, sections 3.2 and 4.1.3.

    Example:
        >>> GroupedCross([[0, 1], [1, 2]], units=[8], output_units=4)(tf.zeros((5, 3, 16))).shape
        TensorShape([5, 4])

    Args:
        groups: The positions of each group's fields among all fields.
        units: Hidden units of each group's MLP.
        output_units: Width of FC; None leaves the concatenation.
        activation, dropout, batch_norm: As for `MLP`, of every group's MLP.
        output_activation: Activation of FC.

    Call arguments:
        field_embeddings: Float tensor (batch, num_fields, embedding_dim).

    Returns:
        (batch, output_units).
    """

    takes = "field_embeddings"
    needs = frozenset({"groups"})

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        units: Sequence[int] = (1024, 128),
        output_units: int | None = 512,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        output_activation: str = "relu",
        **kwargs,
    ):
        super().__init__(output_units, output_activation, **kwargs)
        self.groups = tuple(tuple(int(field) for field in group) for group in groups)
        if not self.groups or not all(self.groups) or min(map(min, self.groups)) < 0:
            raise ValueError(
                "GroupedCross: `groups` must be one or more lists of field positions >= 0, none of "
                f"them empty. Received: groups={[list(group) for group in self.groups]}."
            )
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm
        policy = self.dtype_policy
        self.group_mlps = [
            MLP(self.units, activation, dropout, batch_norm, dtype=policy, name=f"group_{i}")
            for i in range(len(self.groups))
        ]

    @property
    def fields_read(self) -> tuple[int, ...]:
        return tuple(sorted({field for group in self.groups for field in group}))

    def build(self, input_shape: tf.TensorShape) -> None:
        num_fields = input_shape[1]
        if len(input_shape) != 3 or max(map(max, self.groups)) >= num_fields:
            raise ValueError(
                f"{self.name}: expected field embeddings (batch, num_fields, embedding_dim) with a "
                f"field for every position in groups={[list(group) for group in self.groups]}. "
                f"Received: {tuple(input_shape)}."
            )
        self._stretches = tuple(_stretches(self.groups, num_fields))
        super().build(input_shape)

    def interact(self, field_embeddings: tf.Tensor, training: bool | None) -> tf.Tensor:
        # One split into few pieces: the gradient of slices or of a gather would be slow.
        sizes = [field_embeddings.shape[2] * len(fields) for fields in self._stretches]
        parts = tf.split(flatten(field_embeddings), sizes, axis=1)
        place = {fields[0]: part for fields, part in zip(self._stretches, parts, strict=True)}
        crossed = []
        for group, mlp in zip(self.groups, self.group_mlps, strict=True):
            pieces = [place[field] for field in group if field in place]
            x = pieces[0] if len(pieces) == 1 else tf.concat(pieces, axis=1)
            crossed.append(mlp(x, training=training))
        return tf.concat(crossed, axis=1)  # (B, groups x units[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "groups": [list(group) for group in self.groups],
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }


def _stretches(groups: Sequence[Sequence[int]], num_fields: int) -> list[range]:
    """Cuts the fields into as few stretches of neighbours as groups can be put together from.

    Two neighbours stay together where every group that has one of them has both, one behind the
    other.

    Example:
        >>> _stretches([[0, 1, 2], [2, 3]], 5)
        [range(0, 2), range(2, 3), range(3, 4), range(4, 5)]
    """
    starts = {0}
    for group in groups:
        starts |= {group[0], group[-1] + 1}
        for before, field in itertools.pairwise(group):
            if field != before + 1:
                starts |= {before + 1, field}
    limits = sorted(starts | {num_fields})
    return [range(start, stop) for start, stop in itertools.pairwise(limits)]
