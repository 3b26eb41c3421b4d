"""The axes of the design space: what a configuration may name, and how it is spelt there.

A new branch, loss or fusion is one new file and one line here; or, outside of this repository, a
class that is named by its import path (`models.spec.plugins`).
"""

from models import branches, cooperation, fusion
from models.alignment import Alignment, MLPPerBranch, NoAlignment, SharedMLP
from models.branches import Branch
from models.cooperation import CooperationLoss
from models.fusion import Fusion

BRANCHES: dict[str, type[Branch]] = {
    "efgc": branches.GroupedCross,
    "deep": branches.Deep,
    "wide": branches.Wide,
    "fm": branches.FM,
    "bi_interaction": branches.BiInteraction,
    "inner_product": branches.InnerProduct,
    "cin": branches.CIN,
    "cross": branches.Cross,
    "cross_v2": branches.CrossV2,
    "low_rank_cross": branches.LowRankCross,
    "low_rank_cross_mixture": branches.LowRankCrossMixture,
    # Named models
    "wide_and_deep": branches.WideAndDeep,
    "deepfm": branches.DeepFM,
    "xdeepfm": branches.XDeepFM,
    "dcn": branches.DCN,
    "dcnv2": branches.DCNv2,
    "nfm": branches.NFM,
    "ipnn": branches.IPNN,
    "finalmlp": branches.FinalMLP,
    "mmoe": branches.MMoE,
    "dhen": branches.DHEN,
    "wukong": branches.Wukong,
    "autoint": branches.AutoInt,
    "masknet": branches.MaskNet,
    "din": branches.DIN,
    "dien": branches.DIEN,
    "interformer": branches.InterFormer,
}

ALIGNMENTS: dict[str, type[Alignment]] = {
    "shared_mlp": SharedMLP,
    "mlp_per_branch": MLPPerBranch,
    "none": NoAlignment,
}

FUSIONS: dict[str, type[Fusion]] = {
    "mean": fusion.MeanFusion,
    "sum": fusion.SumFusion,
    "concat": fusion.ConcatFusion,
    "bilinear": fusion.BilinearFusion,
    "confidence": fusion.ConfidenceFusion,
    "gate": fusion.GatedFusion,
    "logit": fusion.LogitFusion,
}

COOPERATION: dict[str, type[CooperationLoss]] = {
    "co_teaching": cooperation.BranchCoTeaching,
    "moderate_differentiation": cooperation.ModerateDifferentiation,
    "representation_distance": cooperation.RepresentationDistance,
    "symmetric_kl": cooperation.SymmetricKL,
    "decorrelation": cooperation.CrossExpertDecorrelation,
    "mutual_distillation": cooperation.MutualDistillation,
    "ensemble_distillation": cooperation.EnsembleDistillation,
}

# Arguments that `models.spec.build_network` fills from the data; a configuration may not set them.
INJECTED = frozenset({"groups", "fields"})
