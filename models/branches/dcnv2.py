"""DCN-V2: a cross network of matrices, with an MLP beside it or on top of it."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tf_keras

from models.branches.branch import Branch
from models.branches.composite import Composite
from models.branches.cross_v2 import CrossV2
from models.branches.low_rank_cross import LowRankCross
from models.branches.low_rank_cross_mixture import LowRankCrossMixture

Structure = Literal["parallel", "stacked"]
Kind = Literal["full", "low_rank", "mixture"]


@tf_keras.utils.register_keras_serializable(package="concord")
class DCNv2(Composite):
    """A cross network and an MLP on the concatenated embeddings x0, in one of two structures.

    | `structure` | representation |
    |---|---|
    | `parallel` | cross(x0), MLP(x0) side by side |
    | `stacked` | MLP(cross(x0)) |

    | `cross` | layer |
    |---|---|
    | `full` | `CrossV2` |
    | `low_rank` | `LowRankCross` |
    | `mixture` | `LowRankCrossMixture`, without its output layer |

    The intermediates are the cross layers x_1..x_L. A linear head on the representation gives the
    paper's logit.

    Reference: Wang et al., DCN V2, arXiv:2008.13535v2. Sizes, structure and full matrices: BARS'
    best run on Criteo_x4 (reczoo/BARS); rank and number of experts as in reczoo/FuxiCTR@0245987.
    The DCNv2 that MBCnet is compared with has `mixture`.

    Example:
        >>> import tensorflow as tf
        >>> from models.embeddings.embedded import Embedded
        >>> fields = tf.zeros((2, 3, 4))
        >>> DCNv2([6])(Embedded(fields, fields, {}, tf.zeros((2, 0)))).shape
        TensorShape([2, 18])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        structure: Where the MLP stands.
        cross: Which cross network.
        num_layers: L, the number of cross layers.
        rank: r of `low_rank` and `mixture`.
        num_experts: K of `mixture`.
        cross_activation: g of `mixture`.

    Call arguments:
        embedded: An `Embedded`.

    Returns:
        (batch, D + units[-1]) with D = num_fields x embedding_dim, or (batch, units[-1]) if
        stacked.
    """

    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (1000, 1000, 1000, 1000, 1000),
        structure: Structure = "parallel",
        cross: Kind = "full",
        num_layers: int = 3,
        rank: int = 32,
        num_experts: int = 4,
        cross_activation: str = "tanh",
        activation: str = "relu",
        dropout: float = 0.1,
        batch_norm: bool = True,
        **kwargs,
    ):
        super().__init__(units, activation, dropout, batch_norm, **kwargs)
        if structure not in get_args(Structure) or cross not in get_args(Kind):
            raise ValueError(
                f"DCNv2: `structure` must be one of {', '.join(get_args(Structure))}, `cross` one "
                f"of {', '.join(get_args(Kind))}. "
                f"Received: structure={structure!r}, cross={cross!r}."
            )
        self.structure, self.kind = structure, cross
        self.num_layers, self.rank, self.num_experts = num_layers, rank, num_experts
        self.cross_activation = cross_activation
        self.cross = self._cross_network()
        if structure == "parallel":
            self.parts = {"cross": [self.cross], "deep": [self.mlp]}
        else:
            self.parts = {"stacked": [self.cross, self.mlp]}

    def _cross_network(self) -> Branch:
        common = {"output_units": None, "dtype": self.dtype_policy, "name": "cross"}
        if self.kind == "full":
            return CrossV2(self.num_layers, **common)
        if self.kind == "low_rank":
            return LowRankCross(self.num_layers, self.rank, **common)
        return LowRankCrossMixture(
            self.num_layers,
            self.num_experts,
            self.rank,
            activation=self.cross_activation,
            **common,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "structure": self.structure,
            "cross": self.kind,
            "num_layers": self.num_layers,
            "rank": self.rank,
            "num_experts": self.num_experts,
            "cross_activation": self.cross_activation,
        }
