"""What fusions have in common: what they are handed, what they hand back."""

from typing import Any, Literal

import tensorflow as tf
import tf_keras

Takes = Literal["logits", "gate_input"]

_EXPECTED: dict[Takes, str] = {
    "logits": "the branches' logits (batch, num_branches); give every branch a head",
    "gate_input": (
        "the flat field embeddings (batch, D) that the gate reads; give it an embedding set"
    ),
}


class Fusion(tf_keras.layers.Layer):
    """Turns the branches' representations into one.

    A subclass defines `fuse(representations, training, ...)`, which is handed, by name, what the
    class says it `takes`.

    Class attributes:
        takes: What it uses beside the representations.
        gives_logit: Whether it returns the fused logit (batch, 1) itself. There is nothing for a
            head to read then.
        concatenates: Whether it returns (batch, n x d), branch by branch: then branches may be of
            unequal widths, filled up with zeros.

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits: The branches' logits (batch, n).
        gate_input: The flat field embeddings (batch, D) of the embedding set that a gate reads.

    Returns:
        (batch, d').

    Raises:
        ValueError: Something that it takes is missing or has another shape.
    """

    takes: tuple[Takes, ...] = ()
    gives_logit: bool = False
    concatenates: bool = False

    # Any arguments to a type checker: a subclass has one for each name that it takes.
    def fuse(
        self, representations: tf.Tensor, training: bool | None, *args: Any, **taken: Any
    ) -> tf.Tensor:
        """The fused representation (batch, d')."""
        raise NotImplementedError

    def fusion_weights(
        self,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = False,
    ) -> tf.Tensor | None:
        """The weights of the branches, (batch, n) or (1, n), float32.

        Args:
            logits: The branches' logits, as in the call.
            gate_input: The flat field embeddings that a gate reads, as in the call.
            training: By default the weights that an answer uses, also where this is called in a
                training step: no dropout, and no second update of moving averages.

        Returns:
            None, the default, where the fusion gives the branches no weights.
        """
        return None

    def call(
        self,
        representations: tf.Tensor,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        if representations.shape.rank != 3:
            raise ValueError(
                f"{self.name}: expected representations (batch, num_branches, d). "
                f"Received: {tuple(representations.shape)}. Stack the branches' on axis 1."
            )
        taken = self.taken(logits=logits, gate_input=gate_input)
        if "logits" in taken and taken["logits"].shape[1] != representations.shape[1]:
            # One logit would broadcast over all branches in silence.
            raise ValueError(
                f"{self.name}: expected a logit for each of the {representations.shape[1]} "
                f"representations. Received: logits {tuple(taken['logits'].shape)}. "
                "Concatenate the branches' logits on axis 1, in the order of the representations."
            )
        return self.fuse(representations, training, **taken)

    def taken(self, **offered: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Of what is offered, by name, what this fusion takes; refuses what is missing."""
        taken: dict[str, tf.Tensor] = {}
        for name in self.takes:
            x = offered[name]
            x = None if x is None else tf.convert_to_tensor(x)
            if x is None or x.shape.rank != 2:
                received = None if x is None else tuple(x.shape)
                raise ValueError(
                    f"{self.name}: {type(self).__name__} needs `{name}`, {_EXPECTED[name]}. "
                    f"Received: {name}={received}."
                )
            taken[name] = x
        return taken
