"""DIEN's auxiliary loss: a state must tell the next event from another one."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP
from models.replicas import global_sum


@tf_keras.utils.register_keras_serializable(package="concord")
class NextEventLoss(tf_keras.layers.Layer):
    """Logloss of telling the event that came next from one that did not.

    With h_t the state after event t, k_{t+1} the event after it and n_{t+1} a negative:

        loss = -1/N sum_t [log s(h_t, k_{t+1}) + log(1 - s(h_t, n_{t+1}))],  s = sigmoid(MLP(h | k))

    over the N steps t + 1 of the global batch where both k_{t+1} and n_{t+1} are events and not the
    same one. 0 where there is none.

    Reference: Zhou et al., DIEN, arXiv:1809.03672v5, Eq. 6 and 7; hidden layers after
    reczoo/FuxiCTR@0245987. Departs from the paper: the sum over steps is a mean as well. Departs
    from its peers: padded steps neither lower the loss nor count in N (DeepCTR 0.9.4 averages over
    them), and the hidden layers have ReLUs (DeepCTR: sigmoids).

    Example:
        >>> states, keys, mask = tf.ones((2, 5, 4)), tf.ones((2, 5, 3)), tf.fill((2, 5), True)
        >>> loss = NextEventLoss([8])
        >>> loss(states, keys=keys, negatives=-keys, mask=mask, negatives_mask=mask).shape
        TensorShape([])

    Args:
        units: Width of each hidden layer of the MLP, which ends in a linear unit.

    Call arguments:
        states: Float tensor (batch, length, any width).
        keys: Float tensor (batch, length, width), the events.
        negatives: Float tensor like `keys`.
        mask: Bool (batch, length), True where there is an event.
        negatives_mask: Bool (batch, length), True where `negatives` has an event.

    Returns:
        Float32 scalar: this replica's share of the mean over the steps of the global batch.
    """

    def __init__(self, units: Sequence[int] = (100, 50), **kwargs):
        # float32 even under mixed precision: bfloat16 rounds small losses away.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.mlp = MLP(units, dtype=self.dtype_policy, name="mlp")
        self.score = Dense(1, dtype=self.dtype_policy, name="score")

    def call(
        self,
        states: tf.Tensor,
        keys: tf.Tensor,
        negatives: tf.Tensor,
        mask: tf.Tensor,
        negatives_mask: tf.Tensor,
    ) -> tf.Tensor:
        if keys.shape[1:] != negatives.shape[1:]:
            raise ValueError(
                f"{self.name}: expected negatives of the length and width of the events. "
                f"Received: events {tuple(keys.shape)} and negatives {tuple(negatives.shape)}. "
                "Declare both histories with one length and the same sequences with a target."
            )
        keys, negatives = (tf.cast(each[:, 1:], states.dtype) for each in (keys, negatives))
        both = mask[:, 1:] & negatives_mask[:, 1:]  # (B, T - 1)
        counts = tf.cast(both & tf.reduce_any(keys != negatives, axis=2), states.dtype)
        right, wrong = (
            self.score(self.mlp(tf.concat([states[:, :-1], events], axis=2)))[:, :, 0]
            for events in (keys, negatives)
        )
        losses = tf.nn.softplus(-right) + tf.nn.softplus(wrong)
        return tf.math.divide_no_nan(
            tf.reduce_sum(counts * losses), global_sum(tf.reduce_sum(counts))
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.mlp.units)}
