"""How the branches of a network work together on a split: alike, apart, and who counts."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from models.metrics import best_share, disagreement
from pipeline.evaluation.branch_life import branch_life
from pipeline.evaluation.scores import Scores, value_or_none
from pipeline.evaluation.split_outputs import Outputs


def cooperation_report(
    branch_names: Sequence[str], scores: Scores, outputs: Outputs
) -> dict[str, Any]:
    """What applies to two branches and more; empty for one.

    Args:
        branch_names: Names of the branches in the order of the columns of `outputs`.
        scores: Labels and probabilities of the split.
        outputs: What the network says of the same rows.

    Returns:
        `cross_expert_correlation`: the sum over pairs, `live_cross_expert_correlation` that among
        the units that are not constant;
        `pairs`: a list of {`branches`: [a, b], `cross_expert_correlation`,
        `live_cross_expert_correlation`} and, where branches have logits, `logit_correlation`, the
        Pearson correlation of the two logits, and `disagreement`, the share of examples on which
        the two are on different sides of 0.5;
        `branches`: name -> {`units` of its aligned representation, `constant_units` of these;
        `best_share`: the share of examples on which it has the lowest logloss, where branches have
        logits; `fusion_weight`: its `mean`, `std`, `min` and `max` over the examples, where the
        fusion does not weigh all alike}.
    """
    correlations, live_correlations = outputs.correlation, outputs.live_correlation
    if correlations is None or live_correlations is None or outputs.constant_units is None:
        return {}  # of one branch
    pairs = [
        {
            "branches": list(pair),
            "cross_expert_correlation": value_or_none(correlation),
            "live_cross_expert_correlation": value_or_none(live),
        }
        for pair, correlation, live in zip(
            itertools.combinations(branch_names, 2),
            correlations,
            live_correlations,
            strict=True,
        )
    ]
    units = np.sum(~np.isnan(outputs.unit_low[0]), axis=1)
    branches: dict[str, dict[str, Any]] = {
        name: {"units": int(own), "constant_units": int(constant)}
        for name, own, constant in zip(branch_names, units, outputs.constant_units, strict=True)
    }
    if outputs.branch_logits is not None:
        alike = branch_life(branch_names, asdict(outputs)).correlations()
        for pair, correlation in zip(pairs, alike, strict=True):
            pair["logit_correlation"] = correlation
        probs = np.stack([scores.probs[name] for name in branch_names], axis=1)
        for pair, share in zip(pairs, disagreement(scores.labels, probs), strict=True):
            pair["disagreement"] = value_or_none(share)
        for name, share in zip(branch_names, best_share(scores.labels, probs), strict=True):
            branches[name]["best_share"] = value_or_none(share)
    if outputs.fusion_weights is not None and np.ptp(outputs.fusion_weights) != 0.0:
        weights = outputs.fusion_weights.astype(np.float64)
        for name, column in zip(branch_names, weights.T, strict=True):
            branches[name]["fusion_weight"] = {
                statistic: value_or_none(getattr(column, statistic)())
                for statistic in ("mean", "std", "min", "max")
            }
    return {
        "cross_expert_correlation": value_or_none(np.sum(correlations)),
        "live_cross_expert_correlation": value_or_none(np.sum(live_correlations)),
        "pairs": pairs,
        "branches": branches,
    }
