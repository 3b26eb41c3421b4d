"""Bilinear fusion: the two streams of all branches are averaged, then multiplied once."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.fusion.unweighted import EqualFusion
from models.layers.bilinear_products import (
    bilinear_initializer,
    bilinear_products,
    check_bilinear_heads,
)


@tf_keras.utils.register_keras_serializable(package="concord")
class BilinearFusion(EqualFusion):
    """FinalMLP's fusion behind the mean of several embedding sets' streams.

    A representation is z_i = o_1,i | o_2,i, as FinalMLP hands it over with `num_heads: 0`:

        o_1 | o_2 = mean_i z_i,   t_j = o_1,j^T W_j o_2,j,   z = o_1 | o_2 | t_1..t_k

    Reference: Guo et al., On the Embedding Collapse When Scaling Up Recommendation Models, ICML
    2024, as in thuml/Multi-Embedding@c05a783: the streams belong to the embedding sets, the
    bilinear form to all of them.

    Example:
        >>> BilinearFusion()(tf.zeros((2, 3, 8))).shape
        TensorShape([2, 9])

    Args:
        num_heads: k, which must divide both streams.
        first_units: Width of o_1; None is half of a representation.

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits, gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        (batch, d + k).
    """

    def __init__(self, num_heads: int = 1, first_units: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if num_heads < 1 or (first_units is not None and first_units < 1):
            raise ValueError(
                "BilinearFusion: `num_heads` and `first_units` must be >= 1. "
                f"Received: num_heads={num_heads}, first_units={first_units}."
            )
        self.num_heads, self.first_units = num_heads, first_units

    def build(self, input_shape: tf.TensorShape) -> None:
        width = input_shape[2]
        first = width // 2 if self.first_units is None else self.first_units
        if not first < width:
            raise ValueError(
                f"{self.name}: `first_units` must leave a second stream. Received: "
                f"first_units={first} of representations {tuple(input_shape)}."
            )
        self._widths = (first, width - first)
        check_bilinear_heads(self.name, self.num_heads, self._widths)
        d1, d2 = (each // self.num_heads for each in self._widths)
        self.kernel = self.add_weight(
            "kernel", shape=(self.num_heads, d1, d2), initializer=bilinear_initializer(d1, d2)
        )
        super().build(input_shape)

    def fuse(self, representations: tf.Tensor, training: bool | None) -> tf.Tensor:
        mean = tf.reduce_mean(representations, axis=1)
        first, second = tf.split(mean, self._widths, axis=1)
        return tf.concat([mean, bilinear_products(first, second, self.kernel)], axis=1)

    def weight_of_each(self, num_branches: int) -> float:
        return 1.0 / num_branches

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "first_units": self.first_units,
        }
