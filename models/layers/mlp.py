"""The one multi-layer perceptron of every branch and top."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.activations import activation_function
from models.layers.dense import Dense
from models.layers.dice import Dice


@tf_keras.utils.register_keras_serializable(package="concord")
class MLP(tf_keras.layers.Layer):
    """Hidden layers: linear -> batch normalisation -> activation -> dropout, each time.

    The last layer has an activation as well: this is a hidden block, and what turns it into a
    logit is a linear layer of its own. Weights Glorot normal, biases 0 (`docs/model_equations.md`
    section 0, after reczoo/FuxiCTR@0245987). Batch statistics are those of the global batch,
    whatever the number of replicas.

    Example:
        >>> MLP([8, 4])(tf.zeros((2, 3))).shape
        TensorShape([2, 4])

    Args:
        units: Width of each layer, first to last.
        activation: Name of a Keras activation, or `dice` (`models.layers.dice`).
        dropout: Share of outputs set to 0 in training, in [0, 1).
        batch_norm: Whether to normalise before the activation.
        last_activation: Activation of the last layer, such as `linear`; None is that of all.

    Call arguments:
        x: Float tensor (..., width); (batch, width) with batch normalisation.
        mask: Bool tensor of x's shape without the last axis, True where a row counts in batch
            statistics; None is everywhere.
        return_hidden: Whether to return the outputs of all layers instead, as a list.

    Returns:
        (..., units[-1]), in the layer's compute dtype.
    """

    def __init__(
        self,
        units: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        last_activation: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not units or min(units) < 1:
            raise ValueError(
                f"{type(self).__name__}: `units` must be one or more widths >= 1. "
                f"Received: units={list(units)}."
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(
                f"{type(self).__name__}: `dropout` is the share of outputs set to 0 and must be in "
                f"[0, 1). Received: dropout={dropout}."
            )
        self.units = tuple(int(each) for each in units)
        self.activation = activation
        self.dropout, self.batch_norm = float(dropout), bool(batch_norm)
        policy = self.dtype_policy  # sublayers follow this layer, not the global policy
        self.last_activation = last_activation
        names = [activation] * len(self.units)
        if last_activation is not None:
            names[-1] = last_activation
        self._activations = [
            None if name == "dice" else activation_function(name) for name in names
        ]
        self.linears = [
            Dense(
                width,
                use_bias=not self.batch_norm,  # normalisation would take it away again
                dtype=policy,
                name=f"linear_{i}",
            )
            for i, width in enumerate(self.units)
        ]
        self.norms = [self._norm(i) for i in range(len(self.units) if self.batch_norm else 0)]
        self.dices = [
            Dice(dtype=policy, name=f"dice_{i}") for i, name in enumerate(names) if name == "dice"
        ]
        self.drop = tf_keras.layers.Dropout(self.dropout, dtype=policy) if self.dropout else None

    def _norm(self, i: int) -> tf_keras.layers.Layer:
        return tf_keras.layers.BatchNormalization(
            # FuxiCTR's (PyTorch's) constants: Keras' 1e-3 would shrink what reads embeddings
            # that start at N(0, 1e-4).
            momentum=0.9,
            epsilon=1e-5,
            synchronized=True,
            dtype=self.dtype_policy,
            name=f"batch_norm_{i}",
        )

    def call(
        self,
        x: tf.Tensor,
        training: bool | None = None,
        mask: tf.Tensor | None = None,
        return_hidden: bool = False,
    ) -> tf.Tensor | list[tf.Tensor]:
        hidden, dices = [], iter(self.dices)
        for i, linear in enumerate(self.linears):
            x = linear(x)
            if self.norms:
                x = self.norms[i](x, training=training, mask=mask)
            activate = self._activations[i]
            if activate is None:
                x = next(dices)(x, training=training, mask=mask)
            else:
                x = activate(x)
            if self.drop is not None:
                x = self.drop(x, training=training)
            hidden.append(x)
        return hidden if return_hidden else x

    def options(self) -> dict[str, Any]:
        """The arguments of an MLP inside another layer, for the configuration of that layer."""
        return {
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }

    def get_config(self) -> dict[str, Any]:
        own = {**self.options(), "last_activation": self.last_activation}
        return {**super().get_config(), **own}
