"""InterFormer's gate on summary tokens."""

from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.layers.activations import activation_function
from models.layers.kernel_product import kernel_product

GatingMode = Literal["glu", "paper", "none"]
GatingActivation = Literal["sigmoid", "tanh", "linear"]


@tf_keras.utils.register_keras_serializable(package="concord")
class SummaryGate(tf_keras.layers.Layer):
    """Lets through, of each summary token, what its own content says matters.

        glu:    Z * s(W Z + b)
        paper:  s(Z * (W Z + b))                                                     (Eq. 10)
        none:   Z

    Decided where it is open: with s a sigmoid, Eq. 10 squeezes every summary into (0, 1) and
    loses its sign, so `glu` is the default; the MLP of Eq. 10 is one linear layer, shared by the
    tokens, as in gated linear units.

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4, Eq. 10.

    Example:
        >>> SummaryGate()(tf.zeros((1, 5, 4))).shape
        TensorShape([1, 5, 4])

    Args:
        mode: One of the three lines above.
        activation: s, the paper's choices: `linear` is the identity.

    Call arguments:
        tokens: Float tensor (batch, count, width).

    Returns:
        A tensor like `tokens`.
    """

    def __init__(
        self, mode: GatingMode = "glu", activation: GatingActivation = "sigmoid", **kwargs
    ):
        super().__init__(**kwargs)
        for name, value, choices in (
            ("mode", mode, get_args(GatingMode)),
            ("activation", activation, get_args(GatingActivation)),
        ):
            if value not in choices:
                raise ValueError(
                    f"SummaryGate: `{name}` must be one of {', '.join(choices)}. "
                    f"Received: {name}={value!r}."
                )
        self.mode, self.activation = mode, activation
        self._activate = activation_function(activation)

    def build(self, input_shape: tf.TensorShape) -> None:
        self.linear = None
        if self.mode != "none":
            self.linear = _TokenDense(
                "bnd,de->bne",
                input_shape[1:],
                bias_axes="e",
                kernel_initializer="glorot_normal",
                dtype=self.dtype_policy,
                name="linear",
            )
        super().build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        if self.linear is None:
            return tokens
        gate = self.linear(tokens)
        if self.mode == "paper":
            return self._activate(tokens * gate)
        return tokens * self._activate(gate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode, "activation": self.activation}


class _TokenDense(tf_keras.layers.EinsumDense):
    """Traces to a third of the operations that `Dense` makes of three axes."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return kernel_product(self.equation, inputs, self.kernel) + self.bias
