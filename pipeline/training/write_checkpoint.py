"""A checkpoint is on the disk whole before any older one goes, or it is not there."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from pipeline.runs.checkpoint_files import (
    checkpoint_at,
    checkpoints_in,
    keep_only,
    save_to_disk,
    step_of,
)
from pipeline.system.available_memory import size
from pipeline.system.full_disk import full_disk, room_at


def write_checkpoint(
    write: Callable[[str], object], folder: Path, step: int, network: tf_keras.Model, kept: int
) -> None:
    """Writes a checkpoint, and then removes all but the latest of its folder.

    Args:
        write: Called with the path, without the endings of its files.
        folder: Folder of the checkpoints, made where it does not exist.
        step: Step that it is called after. Where one is called so or later, it gets the next
            number: the files of a checkpoint that may be the only one are never written over.
        network: What it holds; told from, when the disk is full, how much room is needed.
        kept: How many stay.

    Raises:
        ConfigError: The disk is full. Older checkpoints are as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = checkpoints_in(folder)
    path = checkpoint_at(folder, max([step, *(step_of(each) + 1 for each in before[:1])]))
    try:
        write(str(path))
        save_to_disk(path)
    except (OSError, tf.errors.OpError) as error:
        if full_disk(error) is None:
            raise
        keep_only(folder, before)
        weights = [*network.variables, *network.optimizer.variables]
        needed = sum(each.shape.num_elements() * each.dtype.size for each in weights)
        raise ConfigError(
            f"the disk of {folder} is full: a checkpoint of {size(needed)} does not fit into "
            f"{room_at(str(folder))}, beside the one before it. Free some room, and repeat the "
            "command: it continues from the last checkpoint."
        ) from error
    keep_only(folder, checkpoints_in(folder)[:kept])
