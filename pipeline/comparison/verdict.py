"""Which model to use, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

_CALIBRATED = (0.8, 1.25)


def verdict(
    metrics: Mapping[str, Mapping[str, float | None]],
    to_best: Mapping[str, Mapping[str, tuple[float, float, float]]],
    best: str,
    simplest_first: Sequence[str],
    rows: int,
) -> tuple[str, str]:
    """The simplest of the models that the rows cannot tell from the best one.

    Args:
        metrics: Model -> metrics of test rows, as `Scores.metrics` has them of a prediction.
        to_best: Other model -> differences to the best, from `paired_intervals`.
        best: The model with the most AUC less logloss.
        simplest_first: All models, from the simplest on; networks last.
        rows: Number of test rows.

    Returns:
        Name of the model, and the sentence.
    """
    level = [name for name in simplest_first if name == best or _reaches(to_best[name])]
    chosen = level[0]
    own = metrics[chosen]
    sentence = (
        f"use {chosen}: AUC {own['auc']:.4f}, logloss {own['logloss']:.4f} on {rows:,} test rows"
    )
    if len(metrics) == 1:
        sentence += "; it was compared with nothing"
    elif chosen != best:
        lead, lower, upper = to_best[chosen]["auc_less_logloss"]
        sentence += (
            f"; {best} is ahead by {-lead:.4f} in AUC less logloss ({-upper:.4f} to {-lower:.4f}), "
            "which these rows do not tell from chance, and is less simple"
        )
    else:
        beaten = [name for name in simplest_first if name != best and name not in level]
        others = [name for name in level if name != best]
        if others:
            sentence += f"; {_listed(others)}, less simple, may be as good"
        if beaten:
            sentence += f"; it is better than {_listed(beaten)} beyond chance"
    calibration = own["calibration"]
    if calibration is not None and not _CALIBRATED[0] <= calibration <= _CALIBRATED[1]:
        sentence += f"; its probabilities add up to {calibration:.2f} times the clicks"
    return chosen, sentence


def best_of(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """The model with the most AUC less logloss."""
    return max(metrics, key=lambda name: metrics[name]["auc"] - metrics[name]["logloss"])


def _reaches(differences: Mapping[str, tuple[float, float, float]]) -> bool:
    return differences["auc_less_logloss"][2] >= 0.0


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
