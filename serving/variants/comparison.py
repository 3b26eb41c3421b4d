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
        received: Those of the variant, for the same rows.

    Raises:
        ExportError: They differ by more, or are no numbers, or there are none.
    """
    if reference.shape != received.shape or not reference.size:
        raise ExportError(
            f"the {variant.name} export has nothing to be compared on: probabilities of shape "
            f"{received.shape}, and {reference.shape} of the full network. It was discarded."
        )
    apart = np.abs(received.astype(np.float64) - reference)
    found = Difference(float(np.max(apart)), float(np.mean(apart)), len(apart))
    allowed = variant.tolerance
    # Written so that nan fails.
    if not (found.largest <= allowed.largest and found.mean <= allowed.mean):
        worst = int(np.argmax(apart))  # a nan counts as the largest
        raise ExportError(
            f"the {variant.name} export does not score as the full network does: over "
            f"{found.rows:,} validation rows probabilities differ by {found.largest:.3g} at most "
            f"(row {worst}: {received[worst]:.7g} instead of {reference[worst]:.7g}) and "
            f"{found.mean:.3g} on average, and {allowed.largest:g} and {allowed.mean:g} are "
            "allowed. It was discarded; export without this option."
        )
    return found
