"""The export, loaded here: what an endpoint's answers are compared with."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from serving.client.export_folder import ExportFolder
from serving.endpoint_check.check_cases import Case, arrays, cases
from serving.scoring.scorer import load_saved_model

TOLERANCE = 1e-6  # largest difference of a number

Arrays = Mapping[str, np.ndarray]


class Differs(Exception):
    """An answer that is not that of the export."""


class Reference:
    """An export, and the rows with which endpoints are checked against it.

    Args:
        export: Its folder.

    Raises:
        ExportError: It cannot be loaded.
    """

    def __init__(self, export: ExportFolder) -> None:
        self.table = export.signatures
        self.cases = cases(export.rows)
        self._model = load_saved_model(export.version)

    def inputs(self, signature: str, case: Case) -> dict[str, np.ndarray]:
        """The inputs of a signature for the rows of a case."""
        return arrays(signature, case, self.table)

    def outputs(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """What the export answers."""
        dtypes = {name: each.dtype for name, each in self.table[signature].inputs.items()}
        tensors = {
            name: tf.constant(array.tolist(), dtypes[name], array.shape)
            for name, array in inputs.items()
        }
        found = self._model.signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in found.items()}


def compare(received: Arrays, expected: Arrays) -> str:
    """How far two answers differ, in words.

    Raises:
        Differs: In their names, types or shapes, or by more than the tolerance.
    """
    if set(received) != set(expected):
        raise Differs(f"outputs {sorted(received)} instead of {sorted(expected)}")
    largest = 0.0
    for name, wanted in expected.items():
        found = received[name]
        if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
            raise Differs(
                f"{name} is {found.dtype} {list(found.shape)} instead of {wanted.dtype} "
                f"{list(wanted.shape)}"
            )
        if wanted.dtype == object:
            if not np.array_equal(found, wanted):
                raise Differs(f"{name} is {found.tolist()} instead of {wanted.tolist()}")
            continue
        difference = np.abs(found.astype(np.float64) - wanted)
        difference[(found == wanted) | (np.isnan(found) & np.isnan(wanted))] = 0.0
        if difference.size and not difference.max() <= TOLERANCE:  # nan counts as the largest
            worst = np.unravel_index(np.argmax(difference), difference.shape)
            raise Differs(
                f"{name} differs by {difference[worst]:.3g} at {list(map(int, worst))}: "
                f"{found[worst]:.9g} instead of {wanted[worst]:.9g}"
            )
        largest = max(largest, difference.max(initial=0.0))
    return f"{len(expected)} output{'s' if len(expected) > 1 else ''}, within {largest:.1g}"
