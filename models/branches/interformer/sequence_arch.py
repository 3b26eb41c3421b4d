"""InterFormer's Sequence Arch: events meet the summary of the other tokens, and each other."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.kernel_product import kernel_product
from models.layers.self_attention import SelfAttention


@tf_keras.utils.register_keras_serializable(package="concord")
class SequenceArch(tf_keras.layers.Layer):
    """A feed-forward layer whose weights come from the example, then attention among events.

    Over the tokens S = [CLS || events], with W in R^{num_cls x width} learnt:

        PFFN(X_sum, S) = S W_pffn^T,  W_pffn = X_sum^T W in R^{width x width}
        S' = MHA(PFFN(X_sum, S))                                       (residual off, Eq. 8)

    computed as (S W^T) X_sum, which never makes W_pffn. MHA has a key-padding mask, under which
    the CLS are always valid, and rotary positions: 0 for all CLS, 1, 2, ... for the events of each
    history, from the oldest.

    Decided where it is open: W_pffn as in App. A.2.2, where Eq. 8 has an unspecified function of
    X_sum. The formulas show neither residuals nor normalisation. By default there are both, before
    each part, so that W_pffn is in effect I + X_sum^T W and what embeddings near 0 make of it does
    not wipe the events out:

        S  <- S + PFFN(X_sum, LN(S)),  S' = S + MHA(LN(S))               (residual on)

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4.

    Example:
        >>> arch = SequenceArch(num_cls=3)
        >>> cls, events = arch(
        ...     tf.zeros((1, 6, 4)),
        ...     cls=tf.zeros((1, 3, 4)),
        ...     summary=tf.zeros((1, 3, 4)),
        ...     mask=tf.ones((1, 6), tf.bool),
        ... )
        >>> cls.shape, events.shape
        (TensorShape([1, 3, 4]), TensorShape([1, 6, 4]))

    Args:
        num_cls: Tokens in CLS and X_sum.
        num_heads: Heads; must divide the width.
        residual: Whether the residuals and normalisations are there.
        lengths: Lengths of the histories that stand side by side in `events`; None is one history.

    Call arguments:
        events: Float tensor (batch, length, width).
        cls: Float tensor (batch, num_cls, width).
        summary: X_sum, float tensor (batch, num_cls, width).
        mask: Bool (batch, length), True where there is an event.
        lengths: The lengths that the histories have in this batch, int or int32 scalars, where it
            is cut to fewer steps than the layer was built for.

    Returns:
        CLS and events, of the shapes they came in. What stands in padding means nothing.
    """

    def __init__(
        self,
        num_cls: int = 4,
        num_heads: int = 2,
        residual: bool = True,
        lengths: Sequence[int] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_cls, self.num_heads, self.residual = num_cls, num_heads, residual
        self.lengths = None if lengths is None else tuple(int(each) for each in lengths)
        self.norms = [
            tf_keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=self.dtype_policy, name=f"norm_{part}"
            )
            for part in (("pffn", "attention") if residual else ())
        ]

    def build(self, input_shape: tf.TensorShape) -> None:
        _, total, width = input_shape
        lengths = (total,) if self.lengths is None else self.lengths
        if sum(lengths) != total:
            raise ValueError(
                f"{self.name}: `lengths` must add up to the number of events. Received: "
                f"lengths={list(lengths)} for events of shape {tuple(input_shape)}."
            )
        self._most = list(lengths)
        positions = [0] * self.num_cls
        for length in lengths:
            positions += range(1, length + 1)
        self.kernel = self.add_weight(
            "kernel", shape=(self.num_cls, width), initializer="glorot_normal"
        )
        self.attention = SelfAttention(
            self.num_heads, positions, dtype=self.dtype_policy, name="attention"
        )
        super().build(input_shape)

    def call(
        self,
        events: tf.Tensor,
        cls: tf.Tensor,
        summary: tf.Tensor,
        mask: tf.Tensor,
        lengths: Sequence[int | tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        s = tf.concat([tf.cast(cls, events.dtype), events], axis=1)
        valid = tf.concat([tf.ones_like(mask[:, :1])] * self.num_cls + [mask], axis=1)
        kept = self._kept(lengths)
        if self.residual:
            s += self._pffn(self.norms[0](s), summary)
            s += self.attention(self.norms[1](s), mask=valid, kept=kept)
        else:
            s = self.attention(self._pffn(s, summary), mask=valid, kept=kept)
        cls, events = tf.split(s, [self.num_cls, -1], axis=1)
        return cls, events

    def _kept(self, lengths: Sequence[int | tf.Tensor] | None) -> tf.Tensor | None:
        """Places of CLS and of the steps that are there, among all; None where all are there."""
        if lengths is None or all(
            isinstance(n, int) and n == most for n, most in zip(lengths, self._most, strict=True)
        ):
            return None
        begin, places = self.num_cls, [tf.range(self.num_cls)]
        for length, most in zip(lengths, self._most, strict=True):
            places.append(begin + tf.range(length))
            begin += most
        return tf.concat(places, axis=0)

    def _pffn(self, s: tf.Tensor, summary: tf.Tensor) -> tf.Tensor:
        scores = kernel_product("btd,cd->btc", s, self.kernel)  # S W^T
        return tf.matmul(scores, tf.cast(summary, s.dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_cls": self.num_cls,
            "num_heads": self.num_heads,
            "residual": self.residual,
            "lengths": None if self.lengths is None else list(self.lengths),
        }
