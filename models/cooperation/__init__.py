"""Cooperation losses: layers that return one scalar, this replica's share of the global mean.

A loss of one's own derives from `CooperationLoss`, whose attribute `takes` names what the network
passes, in the order of the call arguments (any other layer with such an attribute is a loss too):

| name | tensor |
|---|---|
| `logits` | the branches' logits (batch, n) |
| `logit` | the fused logit (batch, 1) |
| `labels` | (batch, 1) |
| `representations` | the aligned representations (batch, n, d) |
| `inputs` | the branches' flat inputs (batch, n, D) |
| `intermediates` | outputs of the branches' layers: a tuple, layer by layer, of (batch, n, d_l) |
| `teacher_logits` | logits of t pre-trained networks (batch, t) |
| `base_rate` | click rate of the training rows, a scalar |

`pairwise` says that a loss compares branches and needs two of them at least (the default),
`needs_teachers` that it needs pre-trained networks. `diagnostics` are logged beside the loss.
"""

from models.cooperation.co_teaching import BranchCoTeaching
from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.cooperation.decorrelation import CrossExpertDecorrelation
from models.cooperation.ensemble_distillation import EnsembleDistillation
from models.cooperation.moderate_differentiation import ModerateDifferentiation
from models.cooperation.mutual_distillation import MutualDistillation
from models.cooperation.representation_distance import RepresentationDistance
from models.cooperation.symmetric_kl import SymmetricKL
from models.cooperation.wrapped_loss import WrappedLoss, as_cooperation_loss

__all__ = [
    "BranchCoTeaching",
    "CooperationLoss",
    "CrossExpertDecorrelation",
    "EnsembleDistillation",
    "LossInput",
    "ModerateDifferentiation",
    "MutualDistillation",
    "RepresentationDistance",
    "SymmetricKL",
    "WrappedLoss",
    "as_cooperation_loss",
]
