"""DIEN's two recurrences over a history: interests, and how they lead to the shown item."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.branches.dien.attentional_gru import AttentionalGRU, Update, gru_cell
from models.layers.dense import Dense
from models.layers.target_attention import TargetAttention, masked_softmax

Attention = Literal["din", "bilinear", "dot"]


@tf_keras.utils.register_keras_serializable(package="concord")
class InterestEvolution(tf_keras.layers.Layer):
    """A GRU over a history, then one that follows the interests that matter to the target.

        h_t = GRU(e_1..e_t)                              as wide as a step e_t
        s_t = MLP_att on q and h_t, see `TargetAttention`          (din)
            = h_t^T W q, W the identity at first                   (bilinear, Eq. 11)
            = h_t^T q                                              (dot)
        a_t = softmax_t(s_t)                             over the events
        h'  = AttentionalGRU(h_1..h_T; a_1..a_T)         the last state

    Where h is wider than q, because of sequences without a target, `din` and `dot` compare the
    first components of h_t with q: the GRU learns what to put there. A history without events has
    h' = 0. Recurrences and softmax are float32 under every policy.

    Reference: Zhou et al., DIEN, arXiv:1809.03672v5, "Interest Extractor Layer" and "Interest
    Evolving Layer"; `din` and `dot` after reczoo/FuxiCTR@0245987.

    Example:
        >>> steps, mask = tf.ones((2, 5, 6)), tf.constant([[True] * 5, [False] * 5])
        >>> evolved, states = InterestEvolution(attention="dot")(
        ...     steps, target=tf.ones((2, 3)), mask=mask)
        >>> evolved.shape, states.shape
        (TensorShape([2, 6]), TensorShape([2, 5, 6]))

    Args:
        update: How attention enters the second recurrence, see `AttentionalGRU`.
        attention: How a state is compared with the target.
        attention_units, attention_activation, attention_dropout: Options of MLP_att, for `din`.

    Call arguments:
        steps: Float tensor (batch, length, width).
        target: Float tensor (batch, at most width).
        mask: Bool (batch, length), True where there is an event.

    Returns:
        (h', h): float32 (batch, width) and (batch, length, width).
    """

    def __init__(
        self,
        update: Update = "augru",
        attention: Attention = "bilinear",
        attention_units: Sequence[int] = (80, 40),
        attention_activation: str = "dice",
        attention_dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value, known in (
            ("update", update, get_args(Update)),
            ("attention", attention, get_args(Attention)),
        ):
            if value not in known:
                raise ValueError(
                    f"InterestEvolution: `{name}` must be one of {', '.join(known)}. "
                    f"Received: {name}={value!r}."
                )
        self.update, self.attention = update, attention
        self._options = (list(attention_units), attention_activation, attention_dropout)
        mlp_attention = TargetAttention(
            *self._options, softmax=True, dtype=self.dtype_policy, name="attention"
        )
        self.mlp_attention = mlp_attention if attention == "din" else None

    def build(self, input_shape: tf.TensorShape) -> None:
        width = input_shape[-1]
        self.extractor = tf_keras.layers.RNN(
            gru_cell(width), return_sequences=True, dtype="float32", name="extractor"
        )
        self.evolution = AttentionalGRU(width, self.update, name="evolution")
        if self.attention == "bilinear":
            self.bilinear = Dense(
                width,
                use_bias=False,
                kernel_initializer="identity",
                dtype="float32",
                name="bilinear",
            )
        super().build(input_shape)

    def call(
        self, steps: tf.Tensor, target: tf.Tensor, mask: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        states = self.extractor(steps, mask=mask)
        a = self._weights(states, target, mask, training)
        return self.evolution(states, weights=a, mask=mask), states

    def _weights(
        self, states: tf.Tensor, target: tf.Tensor, mask: tf.Tensor, training: bool | None
    ) -> tf.Tensor:
        """a, (batch, length)."""
        query = self.bilinear(target) if self.attention == "bilinear" else target
        keys = states[:, :, : query.shape[1]]
        if self.mlp_attention is not None:
            return self.mlp_attention(query, keys=keys, mask=mask, training=training)
        scores = tf.einsum("btw,bw->bt", keys, tf.cast(query, keys.dtype))
        return masked_softmax(scores, mask)

    def get_config(self) -> dict[str, Any]:
        units, activation, dropout = self._options
        return {
            **super().get_config(),
            "update": self.update,
            "attention": self.attention,
            "attention_units": units,
            "attention_activation": activation,
            "attention_dropout": dropout,
        }
