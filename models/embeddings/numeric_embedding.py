"""One field embedding for all numeric inputs together."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class NumericEmbedding(tf_keras.layers.Layer):
    """Makes one field embedding of the numeric inputs, by an MLP of each embedding set's own.

    Hidden layers with ReLU, then a linear layer to the embedding.

    References: "dense features" of Liu et al., CETNet, arXiv:2411.13700, Eq. 2 and 3; Wukong,
    arXiv:2403.02545; InterFormer, arXiv:2411.09852v4, which has no hidden layer.

    Example:
        >>> layer = NumericEmbedding(embedding_dim=4, num_sets=2)
        >>> [embedding.shape for embedding in layer(tf.zeros((3, 5)))]
        [TensorShape([3, 1, 4]), TensorShape([3, 1, 4])]

    Args:
        embedding_dim: Length of the embedding.
        num_sets: Number of embedding sets.
        units: Hidden units of each MLP; none makes it one linear layer.
        set_dims: Length of the embedding in each set; None is `embedding_dim` in all.

    Call arguments:
        values: Float tensor (batch, number of numeric inputs).

    Returns:
        A list of `num_sets` tensors (batch, 1, embedding_dim).
    """

    def __init__(
        self,
        embedding_dim: int,
        num_sets: int = 1,
        units: Sequence[int] = (),
        set_dims: Sequence[int] | None = None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.set_dims = None if set_dims is None else tuple(set_dims)
        self.embedding_dim, self.num_sets, self.units = embedding_dim, num_sets, tuple(units)
        policy = self.dtype_policy
        self.hidden = [
            MLP(self.units, dtype=policy, name=f"hidden_{m}")
            for m in range(num_sets if self.units else 0)
        ]
        self.outputs = [
            Dense(dim, dtype=policy, name=f"token_{m}")
            for m, dim in enumerate(self.set_dims or (embedding_dim,) * num_sets)
        ]

    def call(self, values: tf.Tensor) -> list[tf.Tensor]:
        embeddings = []
        for m, output in enumerate(self.outputs):
            h = self.hidden[m](values) if self.hidden else values
            embeddings.append(output(h)[:, tf.newaxis, :])
        return embeddings

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_sets": self.num_sets,
            "units": list(self.units),
            "set_dims": None if self.set_dims is None else list(self.set_dims),
        }
