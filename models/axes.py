"""The axes of the design space: what a configuration may name, and how it is spelt there.

A new branch, loss or fusion is one new file and one line here.
"""

import tf_keras

from models.alignment import MLPPerBranch, NoAlignment, SharedMLP
from models.branches import Deep, GroupedCross, LowRankCrossMixture
from models.cooperation import (
    BranchCoTeaching,
    ModerateDifferentiation,
    RepresentationDistance,
)
from models.fusion import MeanFusion

Axis = dict[str, type[tf_keras.layers.Layer]]

BRANCHES: Axis = {
    "efgc": GroupedCross,
    "low_rank_cross_mixture": LowRankCrossMixture,
    "deep": Deep,
}

ALIGNMENTS: Axis = {
    "shared_mlp": SharedMLP,
    "mlp_per_branch": MLPPerBranch,
    "none": NoAlignment,
}

FUSIONS: Axis = {
    "mean": MeanFusion,
}

COOPERATION: Axis = {
    "co_teaching": BranchCoTeaching,
    "moderate_differentiation": ModerateDifferentiation,
    "representation_distance": RepresentationDistance,
}

# Arguments that `models.build` fills from the data; a configuration may not set them.
INJECTED = frozenset({"groups"})
