"""The export, loaded here: what an endpoint's answers are compared with."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from serving.client.export_folder import ExportFolder
from serving.endpoint_check.check_cases import Case, arrays, cases
from serving.scoring.scorer import load_export

TOLERANCE = 1e-6  # largest difference of a number

Arrays = Mapping[str, np.ndarray]


class DifferenceError(Exception):
    """An answer that is not that of the export."""


class Reference:
    """An export, and the rows with which endpoints are checked against it.

    Args:
        export: Folder of the export.

    Raises:
        ExportError: It is damaged or cannot be loaded.
    """

    def __init__(self, export: ExportFolder) -> None:
        self.table = export.signatures
        self.cases = cases(export.rows)
        _, self._model = load_export(export.version)

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
        answers = self._model.signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in answers.items()}


def compare(received: Arrays, expected: Arrays) -> str:
    """How far two answers differ, in words.

    Raises:
        DifferenceError: In their names, types or shapes, or by more than the tolerance.
    """
    if set(received) != set(expected):
        raise DifferenceError(f"outputs {sorted(received)} instead of {sorted(expected)}")
    largest = 0.0
    for name, correct in expected.items():
        values = received[name]
        if (values.dtype, values.shape) != (correct.dtype, correct.shape):
            raise DifferenceError(
                f"{name} is {values.dtype} {list(values.shape)} instead of {correct.dtype} "
                f"{list(correct.shape)}"
            )
        if correct.dtype == object:
            if not np.array_equal(values, correct):
                raise DifferenceError(f"{name} is {values.tolist()} instead of {correct.tolist()}")
            continue
        difference = np.abs(values.astype(np.float64) - correct)
        difference[(values == correct) | (np.isnan(values) & np.isnan(correct))] = 0.0
        if difference.size and not difference.max() <= TOLERANCE:  # nan counts as the largest
            worst = np.unravel_index(np.argmax(difference), difference.shape)
            raise DifferenceError(
                f"{name} differs by {difference[worst]:.3g} at {list(map(int, worst))}: "
                f"{values[worst]:.9g} instead of {correct[worst]:.9g}"
            )
        largest = max(largest, difference.max(initial=0.0))
    return f"{len(expected)} output{'s' if len(expected) > 1 else ''}, within {largest:.1g}"
