"""Whether a variant scores as the full export does, over many rows."""

from dataclasses import dataclass

import numpy as np

from features.errors import ExportError
from serving.variants.variant import Variant


@dataclass(frozen=True)
class Difference:
    """How far the probabilities of a variant are from those it stands for.

    Args:
        largest: On any row.
        mean: On average.
        rows: Compared.
    """

    largest: float
    mean: float
    rows: int


def compare(variant: Variant, reference: np.ndarray, received: np.ndarray) -> Difference:
    """Refuses a variant whose scores are further off than its tolerance.

    Args:
        variant: Which.
        reference: Probabilities (rows,) that the full network gives, of the branch where one is
            exported alone.
        received: Scores of the variant, for the same rows.

    Raises:
        ExportError: They differ by more, or are no numbers, or there are none.
    """
    if reference.shape != received.shape or not reference.size:
        raise ExportError(
            f"the {variant.name} export has nothing to be compared on: probabilities of shape "
            f"{received.shape}, and {reference.shape} of the full network. It was discarded."
        )
    distances = np.abs(received.astype(np.float64) - reference)
    difference = Difference(float(np.max(distances)), float(np.mean(distances)), len(distances))
    allowed = variant.tolerance
    # Written so that nan fails.
    if not (difference.largest <= allowed.largest and difference.mean <= allowed.mean):
        worst = int(np.argmax(distances))  # a nan counts as the largest
        raise ExportError(
            f"the {variant.name} export does not score as the full network does: over "
            f"{difference.rows:,} validation rows probabilities differ by {difference.largest:.3g} "
            f"at most (row {worst}: {received[worst]:.7g} instead of {reference[worst]:.7g}) and "
            f"{difference.mean:.3g} on average, and {allowed.largest:g} and {allowed.mean:g} are "
            "allowed. It was discarded; export without this option."
        )
    return difference
