"""Scores of a run on disk, so that runs can be compared row by row without their networks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from features.errors import ConfigError
from pipeline.evaluation.scores import Scores
from pipeline.system.files import write_complete

MOST_ROWS = 10_000_000  # of a split: 50 bytes or so each


def save_scores(path: Path, scores: Mapping[str, Scores]) -> None:
    """Writes the scores of splits as one `.npz` file; splits beyond `MOST_ROWS` are left out.

    Probabilities are kept in float64: in float32 those of confident examples would be equal.

    Args:
        path: The file.
        scores: `valid` and `test`, or one of them.
    """
    arrays: dict[str, np.ndarray] = {}
    for split, each in scores.items():
        if len(each.labels) > MOST_ROWS:
            continue
        arrays[f"{split}/labels"] = each.labels.astype(np.int8)
        arrays[f"{split}/negatives_kept"] = np.array(each.negatives_kept)
        for name, values in {"groups": each.groups, "weights": each.weights}.items():
            if values is not None:
                arrays[f"{split}/{name}"] = values
        for name, probs in each.probs.items():
            arrays[f"{split}/probs/{name}"] = probs

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # no name is that of an argument

    write_complete(str(path), write)


def load_scores(path: Path, split: str) -> Scores:
    """The scores of a split, in the order of the bundle's files.

    Raises:
        ConfigError: There is no such file, or not this split in it.
    """
    if not path.exists():
        raise ConfigError(
            f"{path} is not there: the run was evaluated by an earlier version. Evaluate it again: "
            f"python -m pipeline evaluate {path.parent}"
        )
    with np.load(path) as file:
        if f"{split}/labels" not in file.files:
            raise ConfigError(
                f"{path} has no scores of {split} rows: those of splits with more than "
                f"{MOST_ROWS:,} rows are not kept."
            )
        prefix = f"{split}/probs/"
        optional = {
            name: file[f"{split}/{name}"] if f"{split}/{name}" in file.files else None
            for name in ("groups", "weights")
        }
        return Scores(
            labels=file[f"{split}/labels"].astype(np.float32),
            probs={
                name.removeprefix(prefix): file[name]
                for name in file.files
                if name.startswith(prefix)
            },
            negatives_kept=float(file[f"{split}/negatives_kept"]),
            **optional,
        )
