"""Where in the batches of a training a dataset begins, and which part of them a worker takes."""

import math
from dataclasses import dataclass

from features.errors import ConfigError

Shard = tuple[int, int]  # (index, count)
WHOLE: Shard = (0, 1)


@dataclass(frozen=True)
class Position:
    """The next batch: `batch` of `epoch`, both counted from 0.

    A `batch` that is the number of batches of an epoch is the first of the next epoch.

    Raises:
        ConfigError: One of them is negative or no integer.
    """

    epoch: int = 0
    batch: int = 0

    def __post_init__(self):
        for name, value in (("epoch", self.epoch), ("batch", self.batch)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ConfigError(
                    f"A position counts epochs and batches from 0. Received: {name}={value!r}. "
                    "Give an integer of 0 or more."
                )


START = Position()


def batches_of_epoch(rows: int, batch_size: int, shard: Shard = WHOLE) -> int:
    """Batches that `pipeline.batches.dataset.examples` gives in an epoch, the same for every shard.

    Args:
        rows: Number of rows of the split.
        batch_size: Rows in a batch, over all shards together.
        shard: (index, count), as for `examples`.
    """
    check_shard(shard, batch_size)
    full, rest = divmod(rows, batch_size)
    return full + (rest >= shard[1])


def check_position(start: Position, rows: int, batch_size: int, epochs: int | None) -> None:
    """Refuses a position that such a dataset does not have; its very end is one.

    Raises:
        ConfigError: The position lies behind the end.
    """
    batches = math.ceil(rows / batch_size)
    passes = 1 if epochs is None else epochs
    if start.batch > batches or start.epoch + bool(start.batch) > passes:
        raise ConfigError(
            f"The position is epoch {start.epoch}, batch {start.batch}, but {rows:,} rows in "
            f"batches of {batch_size:,} are {batches:,} batches an epoch, for {passes:,} epochs. "
            "Go on with the bundle, batch size and epochs that the position was saved with."
        )


def check_shard(shard: Shard, batch_size: int) -> None:
    """Refuses parts that are not equal, and a part that there is not.

    Raises:
        ConfigError: The index is out of range, or the batch has no so many equal parts.
    """
    index, count = shard
    if not 0 <= index < count:
        raise ConfigError(
            f"A shard is (index, count) with 0 <= index < count. Received: {shard}. "
            "Number the workers from 0."
        )
    if batch_size % count:
        raise ConfigError(
            f"A batch of {batch_size:,} examples has no {count} equal parts. Set batch_size to a "
            f"multiple of the number of workers, such as {math.ceil(batch_size / count) * count:,}."
        )
