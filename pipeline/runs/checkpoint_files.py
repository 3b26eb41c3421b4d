"""Checkpoints on disk: which lie in a folder, and whether one can be read."""

import re
from pathlib import Path

from features.publish import to_disk

_INDEX = re.compile(r"step-(\d+)\.index")


def checkpoint_at(folder: Path, step: int) -> Path:
    """Path of the checkpoint of a step, without the endings of its files."""
    return folder / f"step-{step}"


def checkpoints_in(folder: Path) -> list[Path]:
    """Those that were written to their end, latest first. The index is written last."""
    if not folder.is_dir():
        return []
    found = [each for path in folder.iterdir() if (each := _INDEX.fullmatch(path.name))]
    steps = sorted((int(each[1]) for each in found), reverse=True)
    return [checkpoint_at(folder, step) for step in steps]


def step_of(checkpoint: Path) -> int:
    """The step that `checkpoint_at` was given."""
    return int(checkpoint.name.removeprefix("step-"))


def latest_checkpoint(folder: Path) -> Path | None:
    """The last one that was written to its end, if there is one."""
    return next(iter(checkpoints_in(folder)), None)


def damage_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; None where all of it can be read.

    Every tensor is read and its checksum compared, one at a time.
    """
    if not Path(f"{checkpoint}.index").exists():
        return "it has no index"
    import tensorflow as tf  # takes seconds, and whoever looks for checkpoints does not read them

    # What TensorFlow raises for files that are cut, changed, empty, foreign or gone.
    damaged = (tf.errors.OpError, ValueError, IndexError, RuntimeError)
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except damaged as error:
        return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return None


def keep_only(folder: Path, kept: list[Path]) -> None:
    """Removes all other files of a folder: of older checkpoints, damaged or half-written ones."""
    names = tuple(f"{path.name}." for path in kept)
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.name.startswith(names):
            path.rmdir() if path.is_dir() else path.unlink()


def save_to_disk(checkpoint: Path) -> None:
    """Brings the files of a checkpoint to the disk, before older ones are removed."""
    for path in checkpoint.parent.glob(f"{checkpoint.name}.*"):
        to_disk(path)
    for folder in (checkpoint.parent, checkpoint.parent.parent):  # which may be new as well
        to_disk(folder)
