"""No alignment: representations as they are, side by side."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.alignment.alignment import Alignment


@tf_keras.utils.register_keras_serializable(package="concord")
class NoAlignment(Alignment):
    """Stacks representations; zeros stand behind those that are narrower than the widest.

    Only what puts the branches side by side can read unequal widths, and does so without the zeros;
    the network refuses other readers (`CooperativeNetwork.widths`).

    Example:
        >>> NoAlignment()([tf.ones((1, 2)), tf.ones((1, 3))]).numpy().tolist()
        [[[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]]

    Call arguments:
        representations: A list of n float tensors (batch, d_i).
        names: Not used.

    Returns:
        (batch, n, d), d the largest d_i.
    """

    def build(self, input_shape: Sequence[tf.TensorShape]) -> None:
        widths = tuple(int(shape[-1]) for shape in input_shape)
        self.widths = widths if len(set(widths)) > 1 else None
        super().build(input_shape)

    def call(self, representations: Sequence[tf.Tensor], names: Sequence[str] = ()) -> tf.Tensor:
        if len(representations) == 1:  # no copy
            return tf.expand_dims(representations[0], axis=1)
        if self.widths:
            missing = [max(self.widths) - width for width in self.widths]
            representations = [
                tf.pad(each, [[0, 0], [0, zeros]])
                for each, zeros in zip(representations, missing, strict=True)
            ]
        return tf.stack(representations, axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        return tf_keras.layers.Identity()
