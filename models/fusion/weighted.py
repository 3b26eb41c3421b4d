"""Fusions that give every branch a weight, example by example."""

from typing import Any, Literal, get_args

import tensorflow as tf

from models.embeddings.embedded import flatten
from models.fusion.fusion import Fusion

Combine = Literal["concat", "sum"]


class WeightedFusion(Fusion):
    """Representations times weights that are a softmax over the branches.

        w = softmax_i(score_i)
        z = [w_1 z_1, ..., w_n z_n]    (`concat`)     or     z = sum_i w_i z_i    (`sum`)

    A subclass defines `scores(training, ...)`, which is handed, by name, what the class says it
    `takes`. Weights and products are float32 also under mixed precision, the result is not.

    Args:
        combine: `concat` gives (batch, n x d), `sum` (batch, d).
    """

    def __init__(self, combine: Combine, **kwargs: Any):
        super().__init__(**kwargs)
        if combine not in get_args(Combine):
            raise ValueError(
                f"{type(self).__name__}: `combine` must be one of {', '.join(get_args(Combine))}. "
                f"Received: combine={combine!r}."
            )
        self.combine = combine
        self.concatenates = combine == "concat"

    def scores(self, training: bool | None, *args: Any, **taken: Any) -> tf.Tensor:
        """(batch, n), float32."""
        raise NotImplementedError

    def fusion_weights(
        self,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = False,
    ) -> tf.Tensor:
        """The branches' weights (batch, n), float32; an example's sum to 1.

        Args:
            logits: The branches' logits, as in the call; used only by a fusion that `takes` them.
            gate_input: The flat field embeddings that a gate reads, likewise.
            training: As for `Fusion.fusion_weights`.

        Raises:
            ValueError: Something that the fusion takes is missing or has another shape.
        """
        taken = self.taken(logits=logits, gate_input=gate_input)
        return tf.nn.softmax(self.scores(training, **taken), axis=1)

    def fuse(
        self, representations: tf.Tensor, training: bool | None, *args: Any, **taken: Any
    ) -> tf.Tensor:
        w = self.fusion_weights(**taken, training=training)
        weighted = w[:, :, tf.newaxis] * tf.cast(representations, w.dtype)  # (B, n, d)
        z = tf.reduce_sum(weighted, axis=1) if self.combine == "sum" else flatten(weighted)
        return tf.cast(z, representations.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "combine": self.combine}
