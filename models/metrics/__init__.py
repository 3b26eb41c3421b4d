"""Metrics: a function of NumPy arrays for the mathematics, a streaming metric beside it."""

from models.metrics.auc import auc, auc_by_group
from models.metrics.branch_comparison import best_share, disagreement
from models.metrics.cross_expert_correlation import (
    CrossExpertCorrelation,
    cross_expert_correlation,
    cross_expert_correlation_by_pair,
)
from models.metrics.group_auc import GroupAUC, group_auc
from models.metrics.information_abundance import information_abundance, singular_values
from models.metrics.logloss import calibration, logloss, row_losses
from models.metrics.named_means import NamedMeans
from models.metrics.normalized_entropy import NormalizedEntropy, entropy_of, normalized_entropy
from models.metrics.unit_counts import UnitCounts, unit_counts

__all__ = [
    "CrossExpertCorrelation",
    "GroupAUC",
    "NamedMeans",
    "NormalizedEntropy",
    "UnitCounts",
    "auc",
    "auc_by_group",
    "best_share",
    "calibration",
    "cross_expert_correlation",
    "cross_expert_correlation_by_pair",
    "disagreement",
    "entropy_of",
    "group_auc",
    "information_abundance",
    "logloss",
    "normalized_entropy",
    "row_losses",
    "singular_values",
    "unit_counts",
]
