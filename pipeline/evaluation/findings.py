"""What is wrong with a trained network, in plain sentences."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.evaluation.branch_life import constant_predictions
from pipeline.evaluation.scores import FUSED

_BELOW = 0.002  # AUC below the baseline's that is told, where rows are enough to tell it
_FAR = 1.02  # times its best, that the logloss of the chosen epoch may be
_CALIBRATED = (0.8, 1.25)


def findings(
    evaluation: Mapping[str, Any],
    training: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
) -> list[str]:
    """A sentence for each thing that whoever serves this network should know before.

    Args:
        evaluation: What `evaluation_report` returns.
        training: What `Trained.summary` returns; None where it is not known.
        baseline: What `logistic_baseline` returns; None where none was fitted.
    """
    sentences = []
    for split in ("valid", "test"):
        scores = evaluation[split]["metrics"][FUSED]
        recalibrated = "before_recalibration" in evaluation[split]
        sentences += [f"{split} rows: {each}" for each in _of_scores(scores, recalibrated)]
        if baseline is not None and split in baseline:
            margin = max(_BELOW, _standard_error(evaluation[split]))
            below = _below(scores, baseline, split, margin)
            sentences += [f"{split} rows: {each}" for each in below]
    sentences += _that_learnt_nothing(evaluation["valid"])
    if training is not None:
        sentences += _of_the_epoch(training)
    return sentences


def is_worse_than_click_rate(report: Mapping[str, Any], prediction: str = FUSED) -> bool:
    """Whether a split's predictions are no better than its click rate given to every row.

    Args:
        report: The split's part of what `evaluation_report` returns.
        prediction: `fused` or the name of a branch.
    """
    entropy = report.get("metrics", {}).get(prediction, {}).get("normalized_entropy")
    return entropy is not None and entropy >= 1.0


def _of_scores(scores: Mapping[str, float | None], recalibrated: bool) -> Iterator[str]:
    entropy, calibration = scores["normalized_entropy"], scores["calibration"]
    if entropy is None:  # labels of one class
        return
    if entropy >= 1.0:
        yield (
            f"normalized entropy {entropy:.3f}: the scores are no better than the click rate given "
            "to every row. Look at the label and the split, or train longer, with a smaller "
            "network or smaller batches"
        )
    if calibration is not None and not _CALIBRATED[0] <= calibration <= _CALIBRATED[1]:
        yield (
            f"calibration {calibration:.2f}: the scores add up to {calibration:.2f} times the "
            "clicks"
            + ("" if recalibrated else ". train.recalibration fits them to validation rows")
        )


def _that_learnt_nothing(report: Mapping[str, Any]) -> Iterator[str]:
    """Of predictions of the validation rows that are one number, or worse than one."""
    if report["metrics"][FUSED]["auc"] is None:  # labels of one class: nothing to tell apart
        return
    constant = constant_predictions(report.get("life", {}).get("logit_spread", {}))
    if FUSED in constant:
        yield "the network says the same of every validation row: it has learnt nothing"
        return
    for name in report["metrics"]:
        if name in constant:
            yield (
                f"branch {name} says the same of every validation row: it has learnt nothing, and "
                "the fusion only carries it along"
            )
        elif name != FUSED and is_worse_than_click_rate(report, name):
            yield (
                f"branch {name} is no better on validation rows than their click rate given to "
                "every row: alone it has learnt nothing that can be used"
            )


def _below(
    scores: Mapping[str, float | None], baseline: Mapping[str, Any], split: str, margin: float
) -> Iterator[str]:
    ours, other = scores["auc"], baseline[split]["auc"]
    if ours is not None and ours < other - margin:
        yield (
            f"AUC {ours:.4f} is below the {other:.4f} of a logistic regression on "
            f"{baseline['rows']:,} training rows: the network has not learnt what single features "
            "say. Look at kinds of features, learning rate and batch size"
        )


def _standard_error(report: Mapping[str, Any]) -> float:
    """About that of an AUC near 0.5 over so many rows of the rarer label."""
    clicks = report.get("clicks", report["rows"] * report["click_rate"])
    rarer = min(clicks, report["rows"] - clicks)
    return 1.0 / math.sqrt(12.0 * max(rarer, 1.0))


def _of_the_epoch(training: Mapping[str, Any]) -> Iterator[str]:
    losses = [value for value in training["history"].get("val_logloss", []) if value == value]
    if not losses:
        return
    chosen = training["history"]["val_logloss"][training["best_epoch"] - 1]
    if chosen > _FAR * min(losses):
        yield (
            f"validation logloss is {chosen:.4f} at the chosen epoch {training['best_epoch']}, and "
            f"was {min(losses):.4f} at its best: probabilities were given up for their order. "
            "train.monitor says what is chosen by"
        )
