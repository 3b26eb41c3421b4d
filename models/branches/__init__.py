"""Branches: sub-networks that turn the embedded fields into a representation (batch, units).

A branch is a tf_keras layer. Its class attribute `takes` says what the network hands it:

| `takes` | call argument |
|---|---|
| `flat` | (batch, num_fields x width); usable as a plain layer on any (batch, D) |
| `tokens` | (batch, num_fields, width) |
| `embedded` | the `Embedded` of its table set: tokens and histories |
"""

from models.branches.deep import Deep
from models.branches.grouped_cross import GroupedCross
from models.branches.low_rank_cross_mixture import LowRankCrossMixture

__all__ = ["Deep", "GroupedCross", "LowRankCrossMixture"]
