"""Branches: sub-networks that turn the embedded fields into a representation (batch, units).

A branch derives from `Branch`, whose class attribute `takes` says what the network hands it (any
other layer that returns (batch, units) is a branch too, on the flat field embeddings where it does
not say):

| `takes` | call argument |
|---|---|
| `flat` | (batch, num_fields x embedding_dim); usable as a plain layer on any (batch, D) |
| `field_embeddings` | (batch, num_fields, embedding_dim) |
| `first_order` | (batch, num_fields), a number per field |
| `embedded` | the `Embedded` of its embedding set: all of these, and histories |

Named models (`DeepFM`, `DIN`, ...) are branches too: with a head of its own, a branch is a model.
"""

from models.branches.autoint import AutoInt
from models.branches.bi_interaction import BiInteraction
from models.branches.branch import Branch, Details, ReducedBranch
from models.branches.cin import CIN
from models.branches.composite import Composite
from models.branches.cross import Cross
from models.branches.cross_v2 import CrossV2
from models.branches.dcn import DCN
from models.branches.dcnv2 import DCNv2
from models.branches.deep import Deep
from models.branches.deepfm import DeepFM
from models.branches.dhen.dhen import DHEN
from models.branches.dien.dien import DIEN
from models.branches.din import DIN
from models.branches.finalmlp import FinalMLP
from models.branches.fm import FM
from models.branches.grouped_cross import GroupedCross
from models.branches.inner_product import InnerProduct
from models.branches.interformer.interformer import InterFormer
from models.branches.ipnn import IPNN
from models.branches.low_rank_cross import LowRankCross
from models.branches.low_rank_cross_mixture import LowRankCrossMixture
from models.branches.masknet import MaskNet
from models.branches.mmoe import MMoE
from models.branches.nfm import NFM
from models.branches.wide import Wide
from models.branches.wide_and_deep import WideAndDeep
from models.branches.wrapped_branch import WrappedBranch, as_branch
from models.branches.wukong import Wukong
from models.branches.xdeepfm import XDeepFM

__all__ = [
    "CIN",
    "DCN",
    "DHEN",
    "DIEN",
    "DIN",
    "FM",
    "IPNN",
    "NFM",
    "AutoInt",
    "BiInteraction",
    "Branch",
    "Composite",
    "Cross",
    "CrossV2",
    "DCNv2",
    "Deep",
    "DeepFM",
    "Details",
    "FinalMLP",
    "GroupedCross",
    "InnerProduct",
    "InterFormer",
    "LowRankCross",
    "LowRankCrossMixture",
    "MMoE",
    "MaskNet",
    "ReducedBranch",
    "Wide",
    "WideAndDeep",
    "WrappedBranch",
    "Wukong",
    "XDeepFM",
    "as_branch",
]
