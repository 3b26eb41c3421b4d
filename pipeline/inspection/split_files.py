"""Files that are named after the split that they hold: `train.csv`, `valid.csv`, `test.csv`."""

from collections.abc import Iterable
from typing import Literal

from pipeline.inspection.column_names import words

Split = Literal["train", "valid", "test"]
_NAMES: dict[Split, set[str]] = {
    "train": {"train", "training", "trn", "tr"},
    "valid": {"valid", "validation", "val", "dev", "va", "eval"},
    "test": {"test", "testing", "tst", "te", "holdout"},
}


def split_of(path: str) -> Split | None:
    """The split that the name of a file, or of a folder that it lies in, is the name of."""
    for part in reversed(path.replace("\\", "/").split("/")):
        parts = set(words(part))
        splits = [split for split, names in _NAMES.items() if parts & names]
        if len(splits) == 1:
            return splits[0]
    return None


def files_of_splits(files: Iterable[str]) -> dict[Split, list[str]] | None:
    """Split -> its files, where each file is named after one.

    Without a test file the validation file is the test: what is tuned on is split off training
    rows then.

    Args:
        files: Paths of the log's files, relative to its folder.

    Returns:
        None where the names do not tell.
    """
    of_split: dict[Split, list[str]] = {}
    for file in files:
        split = split_of(file)
        if split is None:
            return None
        of_split.setdefault(split, []).append(file)
    if "test" not in of_split and "valid" in of_split:
        of_split["test"] = of_split.pop("valid")
    if "train" not in of_split or "test" not in of_split:
        return None
    return {split: of_split[split] for split in _NAMES if split in of_split}
