"""`tfds:NAME`: any data set of tensorflow-datasets."""

from features.errors import ConfigError
from pipeline.data.sources.base import Source, TextFile
from pipeline.data.sources.parts import RowParts

TFDS = "tfds:"  # and the name of a data set, as `tfds.builder` takes it


_NOT_OPENED = TextFile(patterns=())


def tfds_source(
    name: str, log: RowParts | TextFile = _NOT_OPENED, splits: tuple[str, ...] = ()
) -> Source:
    """The source of a data set.

    Args:
        name: Such as `tfds:movielens/100k-ratings`.
        log: Its rows, once it was opened; until then no file.
        splits: Names of its splits, once it was opened.

    Raises:
        ConfigError: There is no name.
    """
    if name == TFDS:
        raise ConfigError(
            "data.source='tfds:' names no data set. Write one behind it, such as "
            "tfds:movielens/100k-ratings."
        )
    names_of = {
        split: (name,)
        for split, name in (("train", "train"), ("valid", "validation"), ("test", "test"))
        if name in splits
    }
    names_of |= {"valid": ("valid",)} if "valid" in splits and "valid" not in names_of else {}
    return Source(
        name=name,
        title=name.removeprefix(TFDS),
        homepage="https://www.tensorflow.org/datasets",
        terms="see the data set's page",
        log=log,
        splits=names_of if {"train", "test"} <= names_of.keys() else None,
    )
