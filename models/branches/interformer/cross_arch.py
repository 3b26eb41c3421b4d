"""InterFormer's Cross Arch: what each side gets to see of the other."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.branches.interformer.pooling_attention import PoolingAttention
from models.branches.interformer.summary_gate import GatingActivation, GatingMode, SummaryGate
from models.layers.axis_length import axis_length
from models.layers.token_linear import TokenLinear


@tf_keras.utils.register_keras_serializable(package="concord")
class CrossArch(tf_keras.layers.Layer):
    """Summaries of the non-sequence tokens and of the histories, a few tokens each.

        X_sum = Gate(W X)                              num_cls tokens, W on the axis of tokens
        S_sum = Gate([CLS || PMA(S) || S_recent])

    CLS are the tokens that travel with the events through the layers and start as the X_sum of the
    first layer. Decided where it is open: PMA looks at the events alone, not at the CLS, which
    stand beside it anyway; an empty history gives it 0, before the gate.

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4.

    Example:
        >>> arch = CrossArch(num_cls=3, num_pma=1)
        >>> x_sum, s_sum = arch(
        ...     tf.zeros((1, 5, 4)),
        ...     events=tf.zeros((1, 6, 4)),
        ...     mask=tf.ones((1, 6), tf.bool),
        ...     recent=last_steps(tf.ones((1, 6), tf.bool), 2),
        ... )
        >>> x_sum.shape, s_sum.shape
        (TensorShape([1, 3, 4]), TensorShape([1, 6, 4]))

    Args:
        num_cls: Tokens in X_sum, and CLS.
        num_pma: Tokens pooled by attention (`PoolingAttention`); 0 leaves it out.
        num_heads: Heads of the attention; must divide the width.
        gating_mode, gating_activation: See `SummaryGate`.

    Call arguments:
        tokens: X, float tensor (batch, n, width).
        events: S, float tensor (batch, length, width).
        mask: Bool (batch, length), True where there is an event.
        recent: (batch, r, length), the matrix that picks the recent events, see `last_steps`.
        cls: (batch, num_cls, width); None takes X_sum, before the first layer.

    Returns:
        X_sum (batch, num_cls, width) and S_sum (batch, num_cls + num_pma + r, width).
    """

    def __init__(
        self,
        num_cls: int = 4,
        num_pma: int = 2,
        num_heads: int = 2,
        gating_mode: GatingMode = "glu",
        gating_activation: GatingActivation = "sigmoid",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_pma < 0:
            raise ValueError(f"CrossArch: `num_pma` must be >= 0. Received: num_pma={num_pma}.")
        self.num_cls, self.num_pma, self.num_heads = num_cls, num_pma, num_heads
        self.gating_mode, self.gating_activation = gating_mode, gating_activation
        policy = self.dtype_policy
        self.compress = TokenLinear(num_cls, dtype=policy, name="compress")
        self.gates = [
            SummaryGate(gating_mode, gating_activation, dtype=policy, name=f"gate_{side}")
            for side in ("tokens", "events")
        ]
        self.pma = None
        if num_pma:
            self.pma = PoolingAttention(num_pma, num_heads, dtype=policy, name="pma")

    def call(
        self,
        tokens: tf.Tensor,
        events: tf.Tensor,
        mask: tf.Tensor,
        recent: tf.Tensor,
        cls: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        events = tf.cast(events, tokens.dtype)
        x_sum = self.gates[0](self.compress(tokens))
        parts = [x_sum if cls is None else tf.cast(cls, tokens.dtype)]
        if self.pma is not None:
            parts.append(self.pma(events, mask=mask))
        parts.append(tf.matmul(tf.cast(recent, tokens.dtype), events))  # (B, r, width)
        return x_sum, self.gates[1](tf.concat(parts, axis=1))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_cls": self.num_cls,
            "num_pma": self.num_pma,
            "num_heads": self.num_heads,
            "gating_mode": self.gating_mode,
            "gating_activation": self.gating_activation,
        }


def last_steps(mask: tf.Tensor, count: int) -> tf.Tensor:
    """The matrix that picks the last `count` events of a history, oldest first.

    A matrix, not a gather: the gradient of a gather that differs by example is a slow scatter.

    Args:
        mask: Bool (batch, length), True where there is an event, padded on the right.
        count: Number of events.

    Returns:
        Float32 (batch, count, length): rows with one 1; of 0s where there are fewer events.
    """
    length = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1, keepdims=True)
    # A negative position, before the first event, makes a row of 0s.
    return tf.one_hot(length - tf.range(count, 0, -1), axis_length(mask, 1))
