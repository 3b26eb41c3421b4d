"""Values that a setting of a network may have, for layers and configurations. No TensorFlow."""

from typing import Literal

Initializer = Literal["normal", "truncated_normal", "uniform"]  # of the rows of a table
Numeric = Literal["each", "mlp", "periodic"]  # how numeric inputs become field embeddings
