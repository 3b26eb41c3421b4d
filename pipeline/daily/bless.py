"""Whether a day's model may be served: the candidate beside the model in service, on equal rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from models.metrics.group_auc import WeightBy
from models.network.logit_map import FUSED
from pipeline.config.daily_config import BlessConfig
from pipeline.daily.calibration_interval import calibration_interval
from pipeline.evaluation.paired_bootstrap import paired_gauc_intervals, paired_intervals
from pipeline.evaluation.ranked_rows import RankedRows
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.weighted_metrics import whole_log_weights

METRICS = ("auc", "gauc", "logloss", "normalized_entropy", "calibration")
_OTHER = "in service"
_DRAWN_ROWS = 50_000_000  # rows times samples of a bootstrap
_FEWEST_SAMPLES = 100


def judge(
    candidate: Scores,
    in_service: Scores | None,
    slices: Mapping[str, np.ndarray],
    rules: BlessConfig,
    weight_by: WeightBy = "impressions",
    blessed_auc: float | None = None,
) -> dict[str, Any]:
    """Compares two models on the same rows, and says which rules the candidate breaks.

    Args:
        candidate: Scores of the new model.
        in_service: Scores of the model in service on the same rows, in the same order; None where
            none is in service.
        slices: Feature -> its token in each row, (rows,).
        rules: The rules.
        weight_by: How groups count in gAUC.
        blessed_auc: AUC that the model in service had when it was blessed.

    Returns:
        `rows`, `metrics` (name -> `candidate`, `in_service`, `difference` and `interval`, a 95 %
        interval of the difference, of the calibration of the candidate's own), `branches` (name ->
        AUCs), `slices` (a list) and `reasons`, a sentence for each rule that is broken: empty
        where the model is blessed.
    """
    metrics = _metrics(candidate, in_service, rules, weight_by)
    of_slices = [] if in_service is None else list(_slices(candidate, in_service, slices, rules))
    reasons = [
        *_broken(metrics, rules),
        *_fallen(metrics["auc"]["candidate"], blessed_auc, rules),
        *_broken_slices(of_slices, rules),
    ]
    return {
        "rows": len(candidate.labels),
        "metrics": metrics,
        "branches": _branches(candidate, in_service),
        "slices": of_slices,
        "reasons": reasons,
    }


def _metrics(
    candidate: Scores, in_service: Scores | None, rules: BlessConfig, weight_by: WeightBy
) -> dict[str, dict[str, Any]]:
    mine = candidate.metrics(weight_by)[FUSED]
    other = {} if in_service is None else in_service.metrics(weight_by)[FUSED]
    samples = drawn_samples(len(candidate.labels), rules.samples)
    intervals = _intervals(candidate, in_service, samples, weight_by)
    report = {}
    for name in METRICS:
        if name not in mine:
            continue
        known = mine[name] is not None and other.get(name) is not None
        report[name] = {
            "candidate": mine[name],
            "in_service": other.get(name),
            "difference": mine[name] - other[name] if known else None,  # type: ignore[operator]
            "interval": _without_nan(intervals.get(name)),
        }
    return report


def drawn_samples(rows: int, asked: int) -> int:
    """How often rows are drawn: as asked; of many rows less often, for an interval in minutes."""
    return min(asked, max(_FEWEST_SAMPLES, _DRAWN_ROWS // rows))


def _without_nan(interval: list[float] | None) -> list[float] | None:
    return None if interval is None or np.isnan(interval).any() else interval


def _intervals(
    candidate: Scores, in_service: Scores | None, samples: int, weight_by: WeightBy
) -> dict[str, list[float]]:
    labels, probs = candidate.labels, candidate.probs[FUSED]
    weights = whole_log_weights(labels, candidate.negatives_kept)
    found = {"calibration": calibration_interval(labels, probs, weights, samples)}
    if in_service is None:
        return found
    both = {"candidate": [probs], _OTHER: [in_service.probs[FUSED]]}
    of_metrics = paired_intervals(labels, both, weights, _OTHER, samples)["candidate"]
    found |= {name: list(of_metrics[name][1:]) for name in ("auc", "logloss")}
    groups = candidate.groups
    if groups is not None:
        gauc = paired_gauc_intervals(labels, both, groups, _OTHER, weight_by, samples)
        found["gauc"] = list(gauc["candidate"][1:])
    return found


def _branches(candidate: Scores, in_service: Scores | None) -> dict[str, dict[str, float | None]]:
    """Branch -> AUC of the candidate's, and of that of the model in service."""

    def auc(scores: Scores | None, name: str) -> float | None:
        if scores is None or name not in scores.probs:
            return None
        return _auc(scores.labels, scores.probs[name])

    return {
        name: {"candidate": auc(candidate, name), "in_service": auc(in_service, name)}
        for name in candidate.probs
        if name != FUSED
    }


def _slices(
    candidate: Scores, in_service: Scores, slices: Mapping[str, np.ndarray], rules: BlessConfig
) -> Iterator[dict[str, Any]]:
    for feature, tokens in slices.items():
        names, counts = np.unique(tokens, return_counts=True)
        for name in names[counts >= rules.slice_rows]:
            rows = tokens == name
            labels = candidate.labels[rows]
            mine = _auc(labels, candidate.probs[FUSED][rows])
            other = _auc(labels, in_service.probs[FUSED][rows])
            if mine is not None and other is not None:
                yield {
                    "feature": feature,
                    "token": str(name),
                    "rows": int(rows.sum()),
                    "candidate": mine,
                    "in_service": other,
                    "difference": mine - other,
                }


def _auc(labels: np.ndarray, probs: np.ndarray) -> float | None:
    value = RankedRows.of(labels, probs).metrics(labels, np.ones(len(labels)))[0]
    return None if np.isnan(value) else float(value)


def _broken(metrics: Mapping[str, Mapping[str, Any]], rules: BlessConfig) -> Iterator[str]:
    for name, sign in (("auc", 1.0), ("gauc", 1.0), ("logloss", -1.0)):
        rule, values = getattr(rules, name), metrics.get(name)
        if rule is None or values is None or values["difference"] is None:
            continue
        judged = _judged(values, rules, better=sign)
        if sign * judged < sign * rule:
            low, high = values["interval"]
            yield (
                f"{name}: {values['candidate']:.4f}, of the model in service "
                f"{values['in_service']:.4f}: {values['difference']:+.4f} (95 %: {low:+.4f} to "
                f"{high:+.4f}); the rule is {rule:+g}"
            )
    entropy = metrics["normalized_entropy"]["candidate"]
    most = rules.normalized_entropy
    if most is not None and entropy is not None and entropy > most:
        yield f"normalized entropy: {entropy:.4f}; the rule is at most {most:g}"
    yield from _miscalibrated(metrics["calibration"], rules)


def _miscalibrated(calibration: Mapping[str, Any], rules: BlessConfig) -> Iterator[str]:
    if rules.calibration is None or calibration["candidate"] is None:
        return
    least, greatest = rules.calibration
    low, high = ends = calibration["interval"]
    if rules.judge_by == "difference":
        ends = [calibration["candidate"]] * 2
    if ends[1] < least or ends[0] > greatest:
        yield (
            f"calibration: predicted over observed clicks is {calibration['candidate']:.3f} (95 %: "
            f"{low:.3f} to {high:.3f}); the rule is {least:g} to {greatest:g}"
        )


def _judged(values: Mapping[str, Any], rules: BlessConfig, better: float) -> float:
    """What is held against a rule: the difference, or the best that it may be by chance."""
    if rules.judge_by == "difference":
        return float(values["difference"])
    return float(values["interval"][1 if better > 0 else 0])


def _fallen(auc: float | None, blessed_auc: float | None, rules: BlessConfig) -> Iterator[str]:
    if rules.auc_fall is None or auc is None or blessed_auc is None:
        return
    if auc < blessed_auc - rules.auc_fall:
        yield (
            f"auc: {auc:.4f}, and the model in service had {blessed_auc:.4f} when it was blessed; "
            f"auc_fall allows {rules.auc_fall:g}"
        )


def _broken_slices(of_slices: list[dict[str, Any]], rules: BlessConfig) -> Iterator[str]:
    for each in of_slices:
        if rules.slice_auc is not None and each["difference"] < rules.slice_auc:
            yield (
                f"auc where {each['feature']} is {each['token']!r} ({each['rows']:,} rows): "
                f"{each['candidate']:.4f}, of the model in service {each['in_service']:.4f}; "
                f"slice_auc is {rules.slice_auc:+g}"
            )
