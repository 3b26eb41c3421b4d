"""What the answers of TensorFlow Serving hold, as Python and NumPy."""

from dataclasses import dataclass

import numpy as np

from serving.client.protos import ProtoMessage

Classes = list[tuple[str, float]]  # label and score
Inference = list[Classes] | np.ndarray


@dataclass(frozen=True)
class VersionStatus:
    """A version that a server knows.

    Args:
        version: Number of the version.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: 0 where all is well, else the number of a gRPC status code.
        message: What went wrong.
    """

    version: int
    state: str
    code: int
    message: str


def classes(result: ProtoMessage) -> list[Classes]:
    """Of each row, its labels with their scores, from a ClassificationResult."""
    return [[(each.label, each.score) for each in row.classes] for row in result.classifications]


def values(result: ProtoMessage) -> np.ndarray:
    """The value of each row, float32 (rows,), from a RegressionResult."""
    return np.array([each.value for each in result.regressions], np.float32)


def version_statuses(answer: ProtoMessage) -> list[VersionStatus]:
    """The versions of a GetModelStatusResponse, latest first."""
    statuses = []
    for entry in answer.model_version_status:
        states = entry.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number
        state = states[entry.state].name if entry.state in states else str(entry.state)
        statuses.append(
            VersionStatus(entry.version, state, entry.status.error_code, entry.status.error_message)
        )
    return sorted(statuses, key=lambda each: each.version, reverse=True)
