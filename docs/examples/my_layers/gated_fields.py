"""A branch of one's own: fields weighted by how much they matter for the example."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from models.branches import Branch
from models.embeddings.embedded import flatten
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="my_layers")
class GatedFields(Branch):
    """g = sigmoid(W x), one number a field; h = MLP(g_1 e_1, ..., g_F e_F).

    Args:
        units: Hidden units of the MLP.
    """

    takes = "field_embeddings"  # (batch, num_fields, embedding_dim)

    def __init__(self, units: Sequence[int] = (64, 32), **kwargs):
        super().__init__(**kwargs)
        self.mlp = MLP(units, dtype=self.dtype_policy, name="mlp")

    def build(self, input_shape: tf.TensorShape) -> None:
        self.gate = tf_keras.layers.Dense(input_shape[1], "sigmoid", dtype=self.dtype_policy)
        super().build(input_shape)

    def interact(self, field_embeddings: tf.Tensor, training: bool | None) -> tf.Tensor:
        gate = self.gate(flatten(field_embeddings))[:, :, tf.newaxis]  # (batch, num_fields, 1)
        return self.mlp(flatten(gate * field_embeddings), training=training)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": list(self.mlp.units)}
