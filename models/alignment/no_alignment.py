"""No alignment: representations that have one width already, side by side."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.alignment.alignment import Alignment, check_one_width


@tf_keras.utils.register_keras_serializable(package="concord")
class NoAlignment(Alignment):
    """Stacks representations that already have one width.

    Call arguments:
        representations: A list of n float tensors (batch, d_i).
        names: The branches' names, for the message of an error.

    Returns:
        (batch, n, d).

    Raises:
        ValueError: The widths differ where the layer needs one width.
    """

    def call(self, representations: Sequence[tf.Tensor], names: Sequence[str] = ()) -> tf.Tensor:
        check_one_width(self.name, representations, names)
        if len(representations) == 1:  # no copy
            return tf.expand_dims(representations[0], axis=1)
        return tf.stack(representations, axis=1)

    def alone(self, position: int) -> tf_keras.layers.Layer:
        return tf_keras.layers.Identity()
