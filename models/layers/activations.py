"""Activations by their names."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from features.errors import did_you_mean

# Those to suggest; Keras knows others too.
_SUGGESTED = ("relu", "swish", "gelu", "elu", "selu", "tanh", "sigmoid", "softplus", "linear")


def activation_function(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The Keras activation of this name.

    Example:
        >>> activation_function("relu")(tf.constant([-1.0, 2.0])).numpy()
        array([0., 2.], dtype=float32)

    Raises:
        ValueError: Keras has no such activation.
    """
    try:
        return tf_keras.activations.get(name)
    except ValueError:
        hint = did_you_mean(str(name), _SUGGESTED)
        raise ValueError(f"{name!r} is not a Keras activation. {hint}") from None
