"""Scores of a whole split, for the fused prediction and for every branch, and their metrics."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras

from features.bundle import Bundle
from models.metrics import auc, calibration, group_auc, logloss, normalized_entropy
from models.metrics.group_auc import WeightBy
from models.network.logit_map import FUSED, LogitMaps, mapped_logits
from pipeline.batches.dataset import column_arrays, examples, refusing_damage
from pipeline.evaluation.weighted_metrics import weighted_metrics, whole_log_weights


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of a split, in the order of its files.

    Args:
        labels: float (rows,), 0 or 1.
        probs: `fused` and every branch -> float64 (rows,).
        groups: int64 (rows,), the key that gAUC groups by; None where the data names none.
        weights: float (rows,), how often each row counts; None where the data names none.
        negatives_kept: Share of the log's negatives that the rows hold.
    """

    labels: np.ndarray
    probs: dict[str, np.ndarray]
    groups: np.ndarray | None
    weights: np.ndarray | None = None
    negatives_kept: float = 1.0

    @property
    def click_rate(self) -> float | None:
        """Share of clicks in the log whose rows these are; None where there are no rows."""
        if not len(self.labels):
            return None
        return float(np.average(self.labels, weights=self._whole_log()))

    def _whole_log(self) -> np.ndarray:
        return whole_log_weights(self.labels, self.negatives_kept)

    def training_metrics(self) -> dict[str, float]:
        """logloss and AUC: of the fused prediction by their names, of a branch with `_<branch>`.

        The logloss is that of the rows that are there, as the training loss beside it is.
        """
        metrics = {}
        for name, probs in self.probs.items():
            suffix = "" if name == FUSED else f"_{name}"
            metrics[f"logloss{suffix}"] = logloss(self.labels, probs)
            metrics[f"auc{suffix}"] = auc(self.labels, probs)
        return metrics

    def gauc(self, weight_by: WeightBy) -> float:
        """gAUC of the fused prediction.

        Raises:
            ValueError: The data name no group key.
        """
        if self.groups is None:
            raise ValueError("gAUC needs a feature with `role: group_key`. Received: none.")
        return group_auc(self.labels, self.probs[FUSED], self.groups, weight_by=weight_by)

    def metrics(self, gauc_weight_by: WeightBy) -> dict[str, dict[str, float | None]]:
        """Every metric of the fused prediction and of every branch.

        Args:
            gauc_weight_by: How groups count in gAUC; see `models.metrics.group_auc`.

        Returns:
            `fused` or branch -> metric -> value, None where the rows define none, as gAUC where no
            group has both classes. `normalized_entropy` divides by the entropy of this split's own
            click rate. Where rows have weights, `weighted_metrics` stand beside the others. Where
            the log had more negatives, logloss, normalized entropy and calibration are those of
            the whole log.
        """
        return {name: self._metrics_of(probs, gauc_weight_by) for name, probs in self.probs.items()}

    def _metrics_of(self, probs: np.ndarray, gauc_weight_by: WeightBy) -> dict[str, float | None]:
        values = {"auc": auc(self.labels, probs)}
        if self.groups is not None:
            values["gauc"] = group_auc(self.labels, probs, self.groups, weight_by=gauc_weight_by)
        if self.negatives_kept == 1.0:
            values |= {
                "logloss": logloss(self.labels, probs),
                "normalized_entropy": normalized_entropy(self.labels, probs),
                "calibration": calibration(self.labels, probs),
            }
        else:
            of_whole_log = weighted_metrics(self.labels, probs, self._whole_log())
            values |= {name.removeprefix("weighted_"): v for name, v in of_whole_log.items()}
        if self.weights is not None:
            values |= weighted_metrics(self.labels, probs, self.weights * self._whole_log())
        return {name: value_or_none(value) for name, value in values.items()}


def score_split(
    network: tf_keras.Model,
    bundle: Bundle,
    split: str,
    batch_size: int,
    predict: Callable[..., Mapping[str, np.ndarray]] | None = None,
    maps: LogitMaps | None = None,
) -> Scores:
    """Scores every row of a split once.

    Args:
        network: Network that scores.
        bundle: Data bundle whose rows are scored.
        split: `train`, `valid` or `test`.
        batch_size: Rows that are scored at a time.
        predict: Stands for `network.predict`, where that cannot run as it is.
        maps: As for `scores_of`.
    """
    outputs = predict_split(network, bundle, split, batch_size, predict)
    return scores_of(
        bundle, split, network.branch_names, outputs["logit"], outputs.get("branch_logits"), maps
    )


def predict_split(
    network: tf_keras.Model,
    bundle: Bundle,
    split: str,
    batch_size: int,
    predict: Callable[..., Mapping[str, np.ndarray]] | None = None,
) -> Mapping[str, np.ndarray]:
    """What `network.predict` says of every row of a split; arguments as for `score_split`."""
    predict = predict or network.predict
    with refusing_damage(bundle):
        return predict(
            examples(bundle, split, batch_size, trimmed=True),
            steps=math.ceil(bundle.metadata.rows[split] / batch_size),  # for steps_per_execution
            verbose=0,
        )


def scores_of(
    bundle: Bundle,
    split: str,
    branch_names: Sequence[str],
    logit: np.ndarray,
    branch_logits: np.ndarray | None,
    maps: LogitMaps | None = None,
) -> Scores:
    """The scores that logits of all rows of a split make.

    Args:
        bundle: Data bundle that the labels and the groups are read from.
        split: `train`, `valid` or `test`.
        branch_names: Names of the branches in the order of the columns of `branch_logits`.
        logit: Logit of the fused prediction, (rows,) or (rows, 1).
        branch_logits: Logits of the branches, (rows, n); None where branches have no logit of
            their own.
        maps: What logits go through before they are probabilities; None: nothing.
    """
    features = bundle.metadata.features
    if maps:
        mapped, of_branches = mapped_logits(maps, branch_names, logit, branch_logits)
        logit = mapped.numpy()
        branch_logits = None if of_branches is None else of_branches.numpy()
    logits = logits_by_prediction(branch_names, logit, branch_logits)
    label = features.required("label")
    others = (label, features.group_key, features.weight)
    names = [spec.name for spec in others if spec is not None]
    columns = column_arrays(bundle, split, names)
    return Scores(
        labels=columns[label.name],
        probs={name: sigmoid(values) for name, values in logits.items()},
        groups=columns[features.group_key.name] if features.group_key else None,
        weights=columns[features.weight.name] if features.weight else None,
        negatives_kept=bundle.metadata.negatives_kept,
    )


def logits_by_prediction(
    branch_names: Sequence[str], logit: np.ndarray, branch_logits: np.ndarray | None
) -> dict[str, np.ndarray]:
    """`fused` and every branch -> logits, (rows,); arguments as for `scores_of`."""
    logits = {FUSED: logit.reshape(-1)}
    if branch_logits is not None:
        logits |= dict(zip(branch_names, branch_logits.T, strict=True))
    return logits


def value_or_none(value: float) -> float | None:
    """A float for JSON, which has no nan."""
    return None if np.isnan(value) else float(value)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities in float64: float32 rounds those of confident examples to 1."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))
