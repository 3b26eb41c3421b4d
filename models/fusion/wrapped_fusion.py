"""Any layer as a fusion."""

import tensorflow as tf
import tf_keras

from models.fusion.fusion import Fusion
from models.layers.wrapped_layer import WrappedLayer


@tf_keras.utils.register_keras_serializable(package="concord")
class WrappedFusion(WrappedLayer, Fusion):
    """A layer of a user's own that is called as fusions are.

    Args:
        layer: Called as layer(representations, logits=..., gate_input=...), with None for what the
            network does not have. It may declare `takes` and `gives_logit` and define
            `fusion_weights` as a `Fusion` does.

    Call arguments, returns: As for `Fusion`.
    """

    def __init__(self, layer: tf_keras.layers.Layer, **kwargs):
        super().__init__(layer, **kwargs)
        if hasattr(layer, "takes"):
            self.takes = tuple(layer.takes)
        if hasattr(layer, "gives_logit"):
            self.gives_logit = layer.gives_logit

    def call(
        self,
        representations: tf.Tensor,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        # Takes `training` from Keras' call context, where it wants it.
        return self.layer(representations, logits=logits, gate_input=gate_input)

    def fusion_weights(
        self,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = False,
    ) -> tf.Tensor | None:
        if not hasattr(self.layer, "fusion_weights"):
            return None
        return self.layer.fusion_weights(logits=logits, gate_input=gate_input)


def as_fusion(layer: tf_keras.layers.Layer) -> Fusion:
    """The layer itself where it is a `Fusion`; else a `WrappedFusion` around it."""
    return layer if isinstance(layer, Fusion) else WrappedFusion(layer)
