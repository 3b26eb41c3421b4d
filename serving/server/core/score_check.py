"""Scores that are not numbers are errors of their rows, never answers."""

from collections.abc import Mapping

import numpy as np

from serving.export_format import names
from serving.server.core.serving_error import invalid

_SCORES = {names.PROB, names.SCORES, names.OUTPUTS}


def check_scores(outputs: Mapping[str, np.ndarray]) -> None:
    """Refuses an answer with a score that is not a number.

    Args:
        outputs: Outputs of a signature; those that are no scores may hold anything.

    Raises:
        ServingError: INVALID_ARGUMENT; its message names the row.
    """
    branches = set(map(names.branch_output, names.branches_of(outputs)))
    for name, values in outputs.items():
        if name not in _SCORES | branches or values.ndim == 0 or values.dtype.kind != "f":
            continue
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if not finite.all():
            row = int(np.argmin(finite))
            raise invalid(
                f"row {row} (from 0): {name!r} is not a number, as a number in the row is infinite "
                "or too large for the network. Correct it, or send NaN where it is missing."
            )
