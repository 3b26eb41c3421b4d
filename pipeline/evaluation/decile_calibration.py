"""Calibration by parts of the rows: what was predicted and what happened."""

import numpy as np


def decile_calibration(
    labels: np.ndarray, probs: np.ndarray, weights: np.ndarray, parts: int = 10
) -> list[dict[str, float | None]]:
    """Rows by rising probability in ten equal parts: what was predicted and what happened.

    Args:
        labels: 0s and 1s, (rows,).
        probs: Probabilities, (rows,).
        weights: How often each row counts, (rows,).
        parts: Number of parts.

    Returns:
        By part `predicted` and `clicked`, weighted means, and `calibration`, the one over the
        other, None where nothing was clicked. Fewer parts where there are fewer rows.
    """
    deciles = []
    for part in np.array_split(np.argsort(probs, kind="stable"), parts):
        if not part.size:
            continue
        predicted = float(np.average(probs[part], weights=weights[part]))
        clicked = float(np.average(labels[part], weights=weights[part]))
        calibration = predicted / clicked if clicked else None
        deciles.append({"predicted": predicted, "clicked": clicked, "calibration": calibration})
    return deciles
