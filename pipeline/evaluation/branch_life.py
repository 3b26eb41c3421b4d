"""Whether a network's predictions tell rows apart, and which units of its branches still move."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.metrics import UnitCounts, unit_counts
from pipeline.evaluation.scores import FUSED, value_or_none

# Largest less least logit of a prediction that is one number, up to float32 rounding.
CONSTANT = 1e-5


@dataclass(frozen=True)
class BranchLife:
    """What a network says of rows, as far as it shows whether it lives.

    Args:
        spread: `fused` and every branch with a head -> largest less least logit over the rows.
        counts: Units of the branches' aligned representations; None where it has none to show.
        correlation: Pearson correlation of the logits of every pair of branches, in the order of
            `itertools.combinations`; nan where one of them is constant. Empty without heads.
        branch_names: Names of the branches.
    """

    spread: dict[str, float]
    counts: UnitCounts | None
    correlation: list[float]
    branch_names: tuple[str, ...]

    def logs(self) -> dict[str, float]:
        """For the logs of an epoch; see `docs/training.md`, "What a training shows"."""
        logs = {_suffixed("val_spread", name): value for name, value in self.spread.items()}
        if self.counts is not None:
            for what in ("dead", "saturated"):
                numbers = zip(self.branch_names, getattr(self.counts, what), strict=True)
                logs |= {f"val_{what}_units_{name}": float(number) for name, number in numbers}
        pairs = itertools.combinations(self.branch_names, 2)
        for (a, b), value in zip(pairs, self.correlation, strict=False):
            # A constant correlates with nothing.
            logs[f"val_correlation_{a}_{b}"] = 0.0 if np.isnan(value) else value
        return logs

    def report(self) -> dict[str, Any]:
        """For metrics.json: `logit_spread`, `units`, `dead_units`, `saturated_units`."""
        report: dict[str, Any] = {"logit_spread": self.spread}
        if self.counts is not None:
            report["units"] = self.counts.units
            for what in ("dead", "saturated"):
                numbers = map(int, getattr(self.counts, what))
                report[f"{what}_units"] = dict(zip(self.branch_names, numbers, strict=True))
        return report

    def correlations(self) -> list[float | None]:
        """`correlation` for JSON."""
        return [value_or_none(value) for value in self.correlation]


def branch_life(branch_names: Sequence[str], outputs: Mapping[str, np.ndarray]) -> BranchLife:
    """Looks at what a network predicts.

    Args:
        branch_names: Names of the branches in the order of the columns of `branch_logits`.
        outputs: As `CooperativeNetwork.predict_step` gives them, of one row or more: `logit` and,
            where there are, `branch_logits`, `unit_low` and `unit_high`.
    """
    logits = {FUSED: np.asarray(outputs["logit"]).reshape(-1)}
    of_branches = outputs.get("branch_logits")
    correlation: list[float] = []
    if of_branches is not None:
        logits |= dict(zip(branch_names, of_branches.T, strict=True))
        correlation = _correlations(of_branches)
    counts = None
    if outputs.get("unit_low") is not None:
        counts = unit_counts(outputs["unit_low"].min(axis=0), outputs["unit_high"].max(axis=0))
    spread = {name: float(np.ptp(values)) for name, values in logits.items()}
    return BranchLife(spread, counts, correlation, tuple(branch_names))


def constant_predictions(spread: Mapping[str, float]) -> list[str]:
    """Names of the predictions whose logits are one number."""
    return [name for name, value in spread.items() if value <= CONSTANT]


def _correlations(logits: np.ndarray) -> list[float]:
    x = logits.astype(np.float64) - logits.mean(axis=0, dtype=np.float64)
    norms = np.sqrt(np.sum(x * x, axis=0))
    norms[np.ptp(logits, axis=0) <= CONSTANT] = np.nan
    pairs = itertools.combinations(range(logits.shape[1]), 2)
    return [float(x[:, a] @ x[:, b] / (norms[a] * norms[b])) for a, b in pairs]


def _suffixed(name: str, prediction: str) -> str:
    return name if prediction == FUSED else f"{name}_{prediction}"
