"""Fusions that count every branch alike, on every example."""

import tensorflow as tf

from models.fusion.fusion import Fusion


class EqualFusion(Fusion):
    """A mean or a sum over the branches.

    A subclass defines `weight_of_each(num_branches)`. The weights stand in no equation: they are
    for whoever shows them beside those of a `WeightedFusion`.
    """

    num_branches: int | None = None

    def build(self, input_shape: tf.TensorShape) -> None:
        self.num_branches = input_shape[1]
        super().build(input_shape)

    def weight_of_each(self, num_branches: int) -> float:
        """The factor of every branch."""
        raise NotImplementedError

    def fusion_weights(
        self,
        logits: tf.Tensor | None = None,
        gate_input: tf.Tensor | None = None,
        training: bool | None = False,
    ) -> tf.Tensor:
        """The branches' weights (1, n), float32: the same for every example.

        Args:
            logits: Not used; see `Fusion.fusion_weights`.
            gate_input: Not used.
            training: Not used.

        Raises:
            ValueError: The fusion has not been called yet, so it does not know n.
        """
        if self.num_branches is None:
            raise ValueError(
                f"{self.name}: the number of branches is not known yet. Call the fusion on their "
                "representations once."
            )
        return tf.fill((1, self.num_branches), self.weight_of_each(self.num_branches))
