"""The wide branch: a linear model of the features themselves."""

import tensorflow as tf
import tf_keras

from models.branches.branch import ReducedBranch


@tf_keras.utils.register_keras_serializable(package="concord")
class Wide(ReducedBranch):
    """The first-order part of linear models, Wide & Deep and factorization machines.

    With w_i[x_i] the number that feature i's own table of width 1 holds for its value:

        y_lin = b + sum_i w_i[x_i]

    The bias starts at 0. As a part of a larger model, y_lin stands beside the other parts in the
    representation, and its weight in the network's head is its scale. With `output_units`, a
    fully connected layer spreads the number over a representation as wide as other branches'
    (MBCnet with a wide branch, appendix B.3).

    References: Cheng et al., Wide & Deep, arXiv:1606.07792v1, section 3.1; Chen et al., MBCnet,
    arXiv:2411.13057v2.
    Departs from Wide & Deep: no crossed columns, as in reczoo/FuxiCTR@0245987; a crossed feature
    of the data is an input like any other. One optimizer trains both parts.

    Example:
        >>> Wide()(tf.ones((2, 3))).numpy().tolist()
        [[3.0], [3.0]]

    Args:
        output_units: Width of a fully connected layer behind y_lin; None leaves y_lin.
        output_activation: Activation of that layer.

    Call arguments:
        first_order: Float tensor (batch, num_fields), the w_i[x_i].

    Returns:
        (batch, output_units), or (batch, 1) without an output layer.
    """

    takes = "first_order"
    uses_first_order = True

    def build(self, input_shape: tf.TensorShape) -> None:
        if len(input_shape) != 2 or not input_shape[1]:
            raise ValueError(
                f"{self.name}: expected first-order numbers (batch, num_fields >= 1). "
                f"Received: {tuple(input_shape)}. Feed `Embedded.first_order`, of an embedding set "
                "that was asked for it."
            )
        self.bias = self.add_weight("bias", shape=(1,), initializer="zeros")
        super().build(input_shape)

    def interact(self, first_order: tf.Tensor, training: bool | None) -> tf.Tensor:
        return tf.reduce_sum(first_order, axis=1, keepdims=True) + self.bias  # (B, 1)
