"""Any layer as an alignment."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.alignment.alignment import Alignment
from models.layers.wrapped_layer import WrappedLayer


@tf_keras.utils.register_keras_serializable(package="concord")
class WrappedAlignment(WrappedLayer, Alignment):
    """A layer of a user's own that is called as alignments are.

    Args:
        layer: Called as layer(representations, names=names). Its method `alone`, where it has
            one, is that of `Alignment`.

    Call arguments, returns: As for `Alignment`.
    """

    def call(self, representations: Sequence[tf.Tensor], names: Sequence[str] = ()) -> tf.Tensor:
        return self.layer(representations, names=names)

    def alone(self, position: int) -> tf_keras.layers.Layer | None:
        return self.layer.alone(position) if hasattr(self.layer, "alone") else None


def as_alignment(layer: tf_keras.layers.Layer) -> Alignment:
    """The layer itself where it is an `Alignment`; else a `WrappedAlignment` around it."""
    return layer if isinstance(layer, Alignment) else WrappedAlignment(layer)
