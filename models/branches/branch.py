"""What branches have in common: what they are handed, what they hand back."""

from typing import Any, Literal, NamedTuple, TypeAlias

import tensorflow as tf
import tf_keras

from models.embeddings.embedded import Embedded
from models.layers.mlp import MLP

Takes = Literal["flat", "field_embeddings", "first_order", "embedded"]
Need = Literal["groups", "history", "target"]
BranchInput: TypeAlias = tf.Tensor | Embedded


class Details(NamedTuple):
    """What a branch shows of its inside.

    intermediates: Outputs of its layers in order, each (batch, width of the layer).
    losses: Losses of its own, by the names in `loss_names`: float32 scalars, weighted, this
        replica's share of the global mean (`models.replicas`).
    """

    intermediates: tuple[tf.Tensor, ...] = ()
    losses: dict[str, tf.Tensor] = {}


class Branch(tf_keras.layers.Layer):
    """A sub-network from embedded fields to a representation (batch, units).

    A subclass defines `interact(x, training)`, which returns the representation, or the
    representation and `Details`.

    Class attributes:
        takes: What `x` is, see `models.branches`.
        needs: What the data must declare: feature `groups`; a `history`; a history with a `target`.
        exposes_intermediates: Whether its `Details` have intermediates.

    Call arguments:
        x: What `takes` names.
        return_details: Whether to return (representation, `Details`).
    """

    takes: Takes = "flat"
    needs: frozenset[Need] = frozenset()
    exposes_intermediates: bool = False

    @property
    def uses_first_order(self) -> bool:
        """Whether it reads `Embedded.first_order`."""
        return False

    @property
    def num_extra_sets(self) -> int:
        """Number of embedding sets it wants beside its own, as `Embedded.extra`."""
        return 0

    @property
    def fields_read(self) -> tuple[int, ...] | None:
        """Positions of the fields it reads, where it `takes` field embeddings; None for all."""
        return None

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the losses in its `Details`."""
        return ()

    def interact(
        self, x: BranchInput, training: bool | None
    ) -> tf.Tensor | tuple[tf.Tensor, Details]:
        """The representation (batch, units), or the representation and `Details`."""
        raise NotImplementedError

    def call(
        self, x: BranchInput, training: bool | None = None, return_details: bool = False
    ) -> tf.Tensor | tuple[tf.Tensor, Details]:
        result = self.interact(x, training)
        h, details = result if isinstance(result, tuple) else (result, Details())
        return (h, details) if return_details else h


class ReducedBranch(Branch):
    """A branch that a fully connected layer may follow (MBCnet's "dimension reduction layer").

    Args:
        output_units: Width of that layer; None leaves what `interact` returns.
        output_activation: Activation of that layer.
    """

    def __init__(
        self, output_units: int | None = None, output_activation: str = "relu", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.output_units, self.output_activation = output_units, output_activation
        self.reduction: MLP | None = None
        if output_units is not None:
            self._new_reduction(output_units)  # refuses a wrong width or activation here already

    def _new_reduction(self, units: int) -> MLP:
        policy = self.dtype_policy
        return MLP([units], self.output_activation, dtype=policy, name="reduction")

    def build(self, input_shape: Any) -> None:
        # Here, not in the constructor: its weights come behind those of the layers before it.
        if self.output_units is not None:
            self.reduction = self._new_reduction(self.output_units)
        super().build(input_shape)

    def call(
        self, x: BranchInput, training: bool | None = None, return_details: bool = False
    ) -> tf.Tensor | tuple[tf.Tensor, Details]:
        h, details = super().call(x, training=training, return_details=True)
        if self.reduction is not None:
            h = self.reduction(h)
        return (h, details) if return_details else h

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_units": self.output_units,
            "output_activation": self.output_activation,
        }


def feed(
    branch: Branch, embedded: Embedded, **kwargs: Any
) -> tf.Tensor | tuple[tf.Tensor, Details]:
    """Calls a branch on what it takes."""
    match branch.takes:
        case "embedded":
            return branch(embedded, **kwargs)
        case "field_embeddings":
            return branch(embedded.field_embeddings, **kwargs)
        case "first_order":
            return branch(embedded.first_order, **kwargs)
        case _:
            return branch(embedded.flat, **kwargs)
