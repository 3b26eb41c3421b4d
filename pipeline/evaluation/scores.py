"""Scores of a whole split, for the fused prediction and for every branch, and their metrics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras

from features.bundle import Bundle
from models.metrics import auc, calibration, group_auc, logloss, normalized_entropy
from pipeline.dataset import column_arrays, examples, refusing_damage

FUSED = "fused"


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of a split, in the order of its files.

    Args:
        labels: float (rows,), 0 or 1.
        probs: `fused` and every branch -> float64 (rows,).
        groups: int64 (rows,), the key that gAUC groups by; None where the data names none.
    """

    labels: np.ndarray
    probs: dict[str, np.ndarray]
    groups: np.ndarray | None

    def training_metrics(self) -> dict[str, float]:
        """logloss and AUC: of the fused prediction by their names, of a branch with `_<branch>`."""
        found = {}
        for name, probs in self.probs.items():
            suffix = "" if name == FUSED else f"_{name}"
            found[f"logloss{suffix}"] = logloss(self.labels, probs)
            found[f"auc{suffix}"] = auc(self.labels, probs)
        return found

    def metrics(self, gauc_weight_by: str) -> dict[str, dict[str, float | None]]:
        """Every metric of the fused prediction and of every branch.

        Returns:
            `fused` or branch -> metric -> value, None where the rows define none, as gAUC where no
            group has both classes. `normalized_entropy` divides by the entropy of this split's own
            click rate.
        """
        return {name: self._metrics_of(probs, gauc_weight_by) for name, probs in self.probs.items()}

    def _metrics_of(self, probs: np.ndarray, gauc_weight_by: str) -> dict[str, float | None]:
        found = {"auc": auc(self.labels, probs)}
        if self.groups is not None:
            found["gauc"] = group_auc(self.labels, probs, self.groups, weight_by=gauc_weight_by)
        found |= {
            "logloss": logloss(self.labels, probs),
            "normalized_entropy": normalized_entropy(self.labels, probs),
            "calibration": calibration(self.labels, probs),
        }
        return {name: None if np.isnan(value) else value for name, value in found.items()}


def score_split(network: tf_keras.Model, bundle: Bundle, split: str, batch_size: int) -> Scores:
    """Scores every row of a split once."""
    features = bundle.metadata.features
    with refusing_damage(bundle):
        outputs = network.predict(examples(bundle, split, batch_size), verbose=0)
    logits = {FUSED: outputs["logit"]}
    for position, branch in enumerate(network.branch_names):
        if "branch_logits" in outputs:
            logits[branch] = outputs["branch_logits"][:, position]
    names = [spec.name for spec in (features.label, features.group_key) if spec is not None]
    columns = column_arrays(bundle, split, names)
    return Scores(
        labels=columns[features.label.name],
        probs={name: _sigmoid(values.reshape(-1)) for name, values in logits.items()},
        groups=columns[features.group_key.name] if features.group_key else None,
    )


def evaluation_report(
    network: tf_keras.Model, bundle: Bundle, batch_size: int, gauc_weight_by: str
) -> dict[str, Any]:
    """The metrics of validation and test rows, with what they were computed on."""
    report: dict[str, Any] = {}
    group_key = bundle.metadata.features.group_key
    for split in ("valid", "test"):
        scores = score_split(network, bundle, split, batch_size)
        report[split] = {
            "rows": len(scores.labels),
            "click_rate": float(np.mean(scores.labels, dtype=np.float64)),
            "gauc_groups": group_key.column if group_key else None,
            "gauc_weight_by": gauc_weight_by if group_key else None,
            "metrics": scores.metrics(gauc_weight_by),
        }
    return report


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities in float64: float32 rounds those of confident examples to 1."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
