"""Any layer as a cooperation loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.layers.wrapped_layer import WrappedLayer


@tf_keras.utils.register_keras_serializable(package="concord")
class WrappedLoss(WrappedLayer, CooperationLoss):
    """A layer of a user's own that returns a loss.

    Args:
        layer: Called on what it `takes`. It may declare `pairwise` and `needs_teachers` as a
            `CooperationLoss` does, and define `diagnostics`.

    Call arguments, returns: As for `CooperationLoss`, with what the layer takes.

    Raises:
        ValueError: The layer does not say what it takes.
    """

    def __init__(self, layer: tf_keras.layers.Layer, **kwargs):
        if not hasattr(layer, "takes"):
            raise ValueError(
                f"{type(layer).__name__} is no cooperation loss: it does not say what it takes. "
                'Give it an attribute such as takes = ("logits",).'
            )
        super().__init__(layer, **kwargs)
        self.takes = tuple(layer.takes)
        if hasattr(layer, "pairwise"):
            self.pairwise = layer.pairwise
        if hasattr(layer, "needs_teachers"):
            self.needs_teachers = layer.needs_teachers

    # Every name of `LossInput`, not **kwargs: Keras would put `training` and `mask` among them.
    def call(
        self,
        first: tf.Tensor | Sequence[tf.Tensor],
        labels: tf.Tensor | None = None,
        logits: tf.Tensor | None = None,
        logit: tf.Tensor | None = None,
        representations: tf.Tensor | None = None,
        inputs: tf.Tensor | None = None,
        intermediates: Sequence[tf.Tensor] | None = None,
        teacher_logits: tf.Tensor | None = None,
        base_rate: tf.Tensor | None = None,
    ) -> tf.Tensor:
        named = {
            "labels": labels,
            "logits": logits,
            "logit": logit,
            "representations": representations,
            "inputs": inputs,
            "intermediates": intermediates,
            "teacher_logits": teacher_logits,
            "base_rate": base_rate,
        }
        return self.layer(first, **{name: named[name] for name in self.takes[1:]})

    def diagnostics(self, tensors: Mapping[LossInput, Any]) -> dict[str, tf.Tensor]:
        return self.layer.diagnostics(tensors) if hasattr(self.layer, "diagnostics") else {}


def as_cooperation_loss(layer: tf_keras.layers.Layer) -> CooperationLoss:
    """The layer itself where it is a `CooperationLoss`; else a `WrappedLoss` around it."""
    return layer if isinstance(layer, CooperationLoss) else WrappedLoss(layer)
