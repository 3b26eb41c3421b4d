"""Metrics: a function of NumPy arrays for the mathematics, a streaming metric beside it."""

from models.metrics.auc import auc, auc_by_group
from models.metrics.group_auc import GroupAUC, group_auc
from models.metrics.logloss import calibration, logloss
from models.metrics.named_means import NamedMeans
from models.metrics.normalized_entropy import NormalizedEntropy, normalized_entropy

__all__ = [
    "GroupAUC",
    "NamedMeans",
    "NormalizedEntropy",
    "auc",
    "auc_by_group",
    "calibration",
    "group_auc",
    "logloss",
    "normalized_entropy",
]
