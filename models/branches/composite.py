"""What named models that put several branches together have in common."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, Details, feed
from models.embeddings.embedded import Embedded
from models.layers.mlp import MLP


class Composite(Branch):
    """Named parts on one embedding set, their outputs side by side; one of them has an MLP.

    A subclass sets `parts`. A part is a chain of layers: the first gets what it takes of the
    `Embedded`, a layer that is no branch the flat field embeddings; every further one gets the
    output of the one before. The representation is the concatenation of the parts' outputs in their
    order, so that one linear head on it gives the sum of a linear head on every part.

    The intermediates are those of the parts that have some: the layers of the explicit crossing,
    not of the MLP. A subclass with such a part declares `exposes_intermediates`, which
    configurations read off the class. Parts have no losses and no extra embedding sets.

    Args:
        units, activation, dropout, batch_norm: As for `MLP`, of the layer `mlp`, which the
            subclass puts into a part.

    Call arguments:
        embedded: An `Embedded`.
    """

    takes = "embedded"

    def __init__(
        self,
        units: Sequence[int],
        activation: str,
        dropout: float,
        batch_norm: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.mlp = MLP(units, activation, dropout, batch_norm, dtype=self.dtype_policy, name="mlp")
        self.parts: dict[str, list[tf_keras.layers.Layer]] = {}

    @property
    def uses_first_order(self) -> bool:
        """Whether a part reads `Embedded.first_order`."""
        firsts = [first for first, *_ in self.parts.values()]
        return any(first.uses_first_order for first in firsts if isinstance(first, Branch))

    def interact(self, embedded: Embedded, training: bool | None) -> tuple[tf.Tensor, Details]:
        outputs: list[tf.Tensor] = []
        intermediates: list[tf.Tensor] = []
        for first, *following in self.parts.values():
            if isinstance(first, Branch):
                h, details = feed(first, embedded, training=training, return_details=True)
                intermediates += details.intermediates
            else:
                h = first(embedded.flat, training=training)
            for layer in following:
                h = layer(h, training=training)
            outputs.append(h)
        return tf.concat(outputs, axis=1), Details(tuple(intermediates))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.mlp.options()}
