"""The axes of the design space: what a configuration may name, and how it is spelt there.

A new branch, loss or fusion is one new file and one line here; or, outside of this repository, a
class that is named by its import path (`models.spec.plugins`).
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # what this imports takes seconds
    import tf_keras

LayerClass: TypeAlias = "type[tf_keras.layers.Layer]"


class Axis(Mapping[str, LayerClass]):
    """Names of an axis and the classes they stand for.

    The names are known at once. A class is imported, and TensorFlow with it, when it is asked for.

    Args:
        base: What the classes derive from: module and name, inside of `models`.
        classes: Name -> class, in the same notation.
    """

    def __init__(self, base: str, classes: Mapping[str, str]) -> None:
        self._base = base
        self._classes = dict(classes)

    @property
    def base(self) -> Any:
        """The class that those of the axis derive from."""
        return _class_at(self._base)

    def __getitem__(self, name: str) -> LayerClass:
        layer_class: LayerClass = _class_at(self._classes[name])
        return layer_class

    def __contains__(self, name: object) -> bool:
        return name in self._classes  # Mapping's own would import the class

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


def _class_at(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(f"models.{module}"), name)


BRANCHES = Axis(
    "branches.Branch",
    {
        "efgc": "branches.GroupedCross",
        "deep": "branches.Deep",
        "wide": "branches.Wide",
        "fm": "branches.FM",
        "bi_interaction": "branches.BiInteraction",
        "inner_product": "branches.InnerProduct",
        "cin": "branches.CIN",
        "cross": "branches.Cross",
        "cross_v2": "branches.CrossV2",
        "low_rank_cross": "branches.LowRankCross",
        "low_rank_cross_mixture": "branches.LowRankCrossMixture",
        # Named models
        "wide_and_deep": "branches.WideAndDeep",
        "deepfm": "branches.DeepFM",
        "xdeepfm": "branches.XDeepFM",
        "dcn": "branches.DCN",
        "dcnv2": "branches.DCNv2",
        "nfm": "branches.NFM",
        "ipnn": "branches.IPNN",
        "finalmlp": "branches.FinalMLP",
        "mmoe": "branches.MMoE",
        "dhen": "branches.DHEN",
        "wukong": "branches.Wukong",
        "autoint": "branches.AutoInt",
        "masknet": "branches.MaskNet",
        "din": "branches.DIN",
        "dien": "branches.DIEN",
        "interformer": "branches.InterFormer",
    },
)

ALIGNMENTS = Axis(
    "alignment.Alignment",
    {
        "shared_mlp": "alignment.SharedMLP",
        "mlp_per_branch": "alignment.MLPPerBranch",
        "none": "alignment.NoAlignment",
    },
)

FUSIONS = Axis(
    "fusion.Fusion",
    {
        "mean": "fusion.MeanFusion",
        "sum": "fusion.SumFusion",
        "concat": "fusion.ConcatFusion",
        "bilinear": "fusion.BilinearFusion",
        "confidence": "fusion.ConfidenceFusion",
        "gate": "fusion.GatedFusion",
        "logit": "fusion.LogitFusion",
    },
)

COOPERATION = Axis(
    "cooperation.CooperationLoss",
    {
        "co_teaching": "cooperation.BranchCoTeaching",
        "moderate_differentiation": "cooperation.ModerateDifferentiation",
        "representation_distance": "cooperation.RepresentationDistance",
        "symmetric_kl": "cooperation.SymmetricKL",
        "decorrelation": "cooperation.CrossExpertDecorrelation",
        "mutual_distillation": "cooperation.MutualDistillation",
        "ensemble_distillation": "cooperation.EnsembleDistillation",
    },
)

TOWERS = Axis("layers.mlp.MLP", {"mlp": "layers.mlp.MLP"})

# Arguments that `models.spec.build_network` fills from the data; a configuration may not set them.
INJECTED = frozenset({"groups", "fields"})
