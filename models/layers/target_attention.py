"""DIN's attention: how much each event of a history matters to the shown item."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class TargetAttention(tf_keras.layers.Layer):
    """A weight for each step of a history, by an MLP on the target and the step's key.

        s_t = w^T MLP(q | k_t | q - k_t | q * k_t) + b
        a_t = s_t, or softmax_t(s_t) with `softmax`; 0 where there is no event

    Weights that need not sum to 1 keep how strong an interest is, which is why DIN has no softmax.
    An empty history gets weights of 0 either way. Under a softmax b would cancel: there is none.

    Reference: Zhou et al., DIN, arXiv:1706.06978v4, section 4.3, with the pair's features of
    reczoo/FuxiCTR@0245987 and shenweichen/DeepCTR 0.9.4 (the paper draws the outer product).
    Departs from all: padded steps do not count in Dice's batch statistics.

    Example:
        >>> attention = TargetAttention([4], softmax=True)
        >>> keys, mask = tf.zeros((1, 3, 2)), tf.constant([[True, True, False]])
        >>> attention(tf.zeros((1, 2)), keys=keys, mask=mask).numpy().tolist()
        [[0.5, 0.5, 0.0]]

    Args:
        units: Width of each hidden layer.
        activation: Activation of the hidden layers: `dice`, or a Keras activation.
        dropout: Share of hidden outputs set to 0 in training.
        softmax: Whether the weights of an example sum to 1.

    Call arguments:
        target: Float tensor (batch, width).
        keys: Float tensor (batch, length, width).
        mask: Bool (batch, length), True where there is an event.

    Returns:
        (batch, length).
    """

    def __init__(
        self,
        units: Sequence[int] = (64,),
        activation: str = "dice",
        dropout: float = 0.0,
        softmax: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.mlp = MLP(units, activation, dropout, dtype=policy, name="mlp")
        self.softmax = bool(softmax)
        self.score = Dense(
            1,
            use_bias=not self.softmax,
            dtype=policy,
            name="score",
        )

    def call(
        self,
        target: tf.Tensor,
        keys: tf.Tensor,
        mask: tf.Tensor,
        training: bool | None = None,
    ) -> tf.Tensor:
        keys = tf.cast(keys, target.dtype)  # Keras casts the first argument only
        if keys.shape.rank != 3 or target.shape[1:] != keys.shape[2:]:
            raise ValueError(
                f"{self.name}: expected a target (batch, width) and keys (batch, length, width). "
                f"Received: target {tuple(target.shape)} and keys {tuple(keys.shape)}. The target "
                "is compared with the sequences that share its vocabulary: `History.keys`."
            )
        q = tf.broadcast_to(target[:, tf.newaxis], tf.shape(keys))
        pair = tf.concat([q, keys, q - keys, q * keys], axis=2)  # (B, T, 4 x width)
        score = tf.squeeze(self.score(self.mlp(pair, training=training, mask=mask)), axis=2)
        if self.softmax:
            return masked_softmax(score, mask)
        return tf.where(mask, score, tf.zeros_like(score))

    def get_config(self) -> dict[str, Any]:
        options = self.mlp.options()
        del options["batch_norm"]
        return {**super().get_config(), **options, "softmax": self.softmax}


def masked_softmax(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax over the valid steps, in float32; 0 elsewhere, and everywhere where none is valid.

    Args:
        scores: Float tensor (batch, length).
        mask: Bool (batch, length).
    """
    exact = tf.cast(scores, tf.float32)
    # A large number, not -inf: of that the softmax over an empty history would be nan.
    weights = tf.nn.softmax(tf.where(mask, exact, -1e9), axis=1)
    return tf.cast(tf.where(mask, weights, 0.0), scores.dtype)
