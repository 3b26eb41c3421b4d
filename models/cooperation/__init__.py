"""Cooperation losses: layers that return one scalar, this replica's share of the global mean.

The class attribute `takes` names what the network passes, in the order of the call arguments:

| name | tensor |
|---|---|
| `logits` | the branches' logits (batch, n) |
| `labels` | (batch, 1) |
| `representations` | the aligned representations (batch, n, d) |
"""

from models.cooperation.co_teaching import BranchCoTeaching
from models.cooperation.moderate_differentiation import ModerateDifferentiation
from models.cooperation.representation_distance import RepresentationDistance

__all__ = ["BranchCoTeaching", "ModerateDifferentiation", "RepresentationDistance"]
