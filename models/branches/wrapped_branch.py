"""Any layer as a branch."""

import tensorflow as tf
import tf_keras

from models.branches.branch import Branch, BranchInput
from models.layers.wrapped_layer import WrappedLayer


@tf_keras.utils.register_keras_serializable(package="concord")
class WrappedBranch(WrappedLayer, Branch):
    """A layer of a user's own that returns a representation.

    Example:
        >>> WrappedBranch(tf_keras.layers.Dense(3))(tf.zeros((2, 8))).shape
        TensorShape([2, 3])

    Args:
        layer: Called on what it `takes`, or on the flat field embeddings where it does not say. It
            may also declare `uses_first_order`, `num_extra_sets` and `fields_read` as a `Branch`
            does.

    Call arguments, returns: As for `Branch`.
    """

    def __init__(self, layer: tf_keras.layers.Layer, **kwargs):
        super().__init__(layer, **kwargs)
        if hasattr(layer, "takes"):
            self.takes = layer.takes

    @property
    def uses_first_order(self) -> bool:
        declares = hasattr(self.layer, "uses_first_order")
        return self.layer.uses_first_order if declares else super().uses_first_order

    @property
    def num_extra_sets(self) -> int:
        declares = hasattr(self.layer, "num_extra_sets")
        return self.layer.num_extra_sets if declares else super().num_extra_sets

    @property
    def fields_read(self) -> tuple[int, ...] | None:
        declares = hasattr(self.layer, "fields_read")
        return self.layer.fields_read if declares else super().fields_read

    def interact(self, x: BranchInput, training: bool | None) -> tf.Tensor:
        return self.layer(x)  # takes `training` from Keras' call context, where it wants it


def as_branch(layer: tf_keras.layers.Layer) -> Branch:
    """The layer itself where it is a `Branch`; else a `WrappedBranch` around it."""
    return layer if isinstance(layer, Branch) else WrappedBranch(layer)
