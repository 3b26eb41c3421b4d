"""What the alignments by MLP have in common."""

from collections.abc import Sequence
from typing import Any

from models.alignment.alignment import Alignment
from models.layers.mlp import MLP


class MLPAlignment(Alignment):
    """An alignment by MLPs, all of the same settings.

    Args:
        units: Widths of the layers of an MLP.
        activation: Activation of each layer, by its Keras name.
        dropout: Share of the units that training drops behind each layer.
        batch_norm: Whether each layer is normalised over the batch.
    """

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units, self.activation = tuple(units), activation
        self.dropout, self.batch_norm = dropout, batch_norm

    def new_mlp(self, name: str) -> MLP:
        """An MLP of these settings."""
        return MLP(
            self.units,
            self.activation,
            self.dropout,
            self.batch_norm,
            dtype=self.dtype_policy,
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "activation": self.activation,
            "dropout": self.dropout,
            "batch_norm": self.batch_norm,
        }
