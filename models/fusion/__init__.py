"""Fusions: from the branches' representations to the one that the final logit is read from.

All are called alike, `fusion(representations, logits=None, gate_input=None, training=None)`, and
return (batch, d'). The class attribute `takes` names what each uses beside representations:

| fusion | `takes` | returns |
|---|---|---|
| `MeanFusion`, `SumFusion` | | mean or sum of the representations, (batch, d) |
| `BilinearFusion` | | mean of two streams each, and their products, (batch, d + heads) |
| `ConcatFusion` | | all of them side by side, (batch, n x d) |
| `ConfidenceFusion` | `logits` (batch, n) | weighted by how sure each branch is, concat or sum |
| `GatedFusion` | `gate_input` (batch, D) | weighted by a gate with its own tables, sum or concat |
| `LogitFusion` | `logits` (batch, n) | mean or sum of the *logits*, (batch, 1) |

`gives_logit` is True for the last: it returns the fused logit, and no head follows.

Confidence and gate are `WeightedFusion`s: `fusion.fusion_weights(logits=..., gate_input=...)` gives
the weights (batch, n) they use. (`fusion.weights` is what it is on every Keras layer, the list of
its variables.) `EqualFusion`s, the means and sums, have `fusion_weights` too: (1, n), the same for
every branch and example. Those of a concatenation are None.

A fusion of one's own derives from `Fusion` and defines `fuse`, or from `WeightedFusion` and defines
`scores`. Any other layer that is called like these is a fusion too.
"""

from models.fusion.bilinear import BilinearFusion
from models.fusion.confidence import ConfidenceFusion
from models.fusion.fusion import Fusion
from models.fusion.gated import GatedFusion
from models.fusion.logit import LogitFusion
from models.fusion.unweighted import ConcatFusion, EqualFusion, MeanFusion, SumFusion
from models.fusion.weighted import WeightedFusion
from models.fusion.wrapped_fusion import WrappedFusion, as_fusion

__all__ = [
    "BilinearFusion",
    "ConcatFusion",
    "ConfidenceFusion",
    "EqualFusion",
    "Fusion",
    "GatedFusion",
    "LogitFusion",
    "MeanFusion",
    "SumFusion",
    "WeightedFusion",
    "WrappedFusion",
    "as_fusion",
]
