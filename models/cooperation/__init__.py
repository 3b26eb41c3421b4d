"""Cooperation losses: layers that return one scalar, this replica's share of the global mean.

The attribute `takes` of a loss, which its settings may decide, names what the network passes, in
the order of the call arguments:

| name | tensor |
|---|---|
| `logits` | the branches' logits (batch, n) |
| `logit` | the fused logit (batch, 1) |
| `labels` | (batch, 1) |
| `representations` | the aligned representations (batch, n, d) |
| `inputs` | the branches' flat inputs (batch, n, D) |
| `intermediates` | outputs of the branches' layers: a tuple, layer by layer, of (batch, n, d_l) |
| `teacher_logits` | logits of t pre-trained networks (batch, t) |

`pairwise` says that a loss compares branches and needs two of them at least, `needs_teachers` that
it needs pre-trained networks.
"""

from models.cooperation.co_teaching import BranchCoTeaching
from models.cooperation.decorrelation import CrossExpertDecorrelation
from models.cooperation.ensemble_distillation import EnsembleDistillation
from models.cooperation.moderate_differentiation import ModerateDifferentiation
from models.cooperation.mutual_distillation import MutualDistillation
from models.cooperation.representation_distance import RepresentationDistance
from models.cooperation.symmetric_kl import SymmetricKL

__all__ = [
    "BranchCoTeaching",
    "CrossExpertDecorrelation",
    "EnsembleDistillation",
    "ModerateDifferentiation",
    "MutualDistillation",
    "RepresentationDistance",
    "SymmetricKL",
]
