"""Rows of a tensorflow-datasets data set, read by part; the library is imported only for these."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import SPLITS, FileEntry, file_entry
from features.errors import ConfigError, DataError, did_you_mean
from features.raw_texts import texts
from features.raw_values import text_of
from pipeline.data.reading.read import UnreadableError
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.base import Source
from pipeline.data.sources.parts import Part, RowParts
from pipeline.data.sources.tfds import TFDS, tfds_source

PART_ROWS = 65_536


@dataclass(frozen=True)
class TfdsRows(RowParts):
    """Splits of a prepared data set. Rows are numbered within their split.

    Args:
        columns: Names of the features that hold a token, a number, or a list of them; a feature
            `b` inside of `a` is `a/b`.
        directory: Where the data set lies, its version included.
        lengths: Split of the data set -> number of its examples.
        chosen: Split of the data set -> the split of the bundle that its rows belong to, or None
            where rows are told apart otherwise.
    """

    columns: tuple[str, ...]
    directory: str
    lengths: Mapping[str, int]
    chosen: Mapping[str, str | None]

    def configured(self, name: str, data: DataConfig) -> "TfdsRows":
        if data.rows is not None:
            raise ConfigError(
                f"data.rows={data.rows} is for generated data, and data.source={name!r} has as "
                "many rows as it has. Remove data.rows."
            )
        chosen: dict[str, str | None] = dict.fromkeys(data.log or self.lengths)
        if data.split.by == "files":
            source = tfds_source(name, self, tuple(self.lengths))
            names = source.patterns_of_splits(data.split.files)
            chosen = {part: split for split in SPLITS for part in names.get(split, ())}
            if len(chosen) < sum(len(part) for part in names.values()):
                raise ConfigError(
                    "data.split.files names a split of the data set twice. Give each to one split; "
                    "data.split.validation=published takes the test rows for validation."
                )
        for split in chosen:
            if split not in self.lengths:
                raise ConfigError(
                    f"data.source={name!r} has no split {split!r}. "
                    f"{did_you_mean(split, self.lengths)} Name splits without brackets."
                )
        return replace(self, chosen=chosen)

    def parts(self) -> tuple[Part, ...]:
        return tuple(
            Part(
                f"split {split}", first, min(PART_ROWS, self.lengths[split] - first), place or None
            )
            for split, place in sorted(self.chosen.items())
            for first in range(0, self.lengths[split], PART_ROWS)
        )

    def blocks(self, part: int, wanted: tuple[str, ...], size: int) -> Iterator[pa.RecordBatch]:
        here = self.parts()[part]
        split = here.name.removeprefix("split ")
        row = here.first
        try:
            for batch in _batches(self.directory, split, here.first, here.rows, wanted, size):
                columns = [as_text_column(batch, name) for name in wanted]
                yield pa.RecordBatch.from_arrays(columns, names=list(wanted))
                row += len(columns[0])
        except (tf.errors.OpError, OSError) as error:
            reason = str(error).split("\n")[0]
            raise UnreadableError(
                f"{self.directory}, split {split}, is damaged after row {row:,}: {reason}. Prepare "
                "the data set again."
            ) from error

    def contents(self, name: str) -> Mapping[str, FileEntry]:
        files = {
            os.fspath(path)
            for split in self.chosen
            for path in _builder(self.directory).info.splits[split].filepaths
        }
        return {f"log/{os.path.basename(path)}": file_entry(path) for path in sorted(files)}


def open_tfds(data: DataConfig) -> Source:
    """Opens a data set, and prepares it first where it is not.

    Raises:
        ConfigError: There is none of that name.
        DataError: It cannot be prepared, or has no examples or no columns.
    """
    tfds_source(data.source)  # refuses an empty name
    builder = _named_builder(data.source, data.path)
    lengths = {name: split.num_examples for name, split in builder.info.splits.items()}
    columns = tuple(columns_of_info(builder.info.features.get_tensor_info()))
    if not columns or not sum(lengths.values()):
        raise DataError(
            f"data.source={data.source!r} has {sum(lengths.values())} examples of the columns "
            f"({', '.join(columns) or 'none'}). Take a data set whose features are tokens, "
            "numbers, or lists of them."
        )
    rows = TfdsRows(columns, os.fspath(builder.data_path), lengths, dict.fromkeys(lengths))
    return tfds_source(data.source, rows, tuple(lengths))


def columns_of_info(info: Any, prefix: str = "") -> Iterator[str]:
    """Names of what fits into a column, from `FeaturesDict.get_tensor_info()`."""
    if isinstance(info, Mapping):
        for name, inner in info.items():
            yield from columns_of_info(inner, f"{prefix}/{name}" if prefix else name)
    elif prefix and len(getattr(info, "shape", None) or ()) <= 1 and hasattr(info, "np_dtype"):
        yield prefix


def as_text_column(batch: Mapping[str, Any], name: str) -> pa.Array:
    """A feature of a batch as text, or as lists of text.

    Args:
        batch: Nested dicts of tensors of shape (rows,), (rows, length) or ragged (rows, None).
        name: Names of the dicts and of the feature, with `/` between them.
    """
    values: Any = batch
    for key in name.split("/"):
        values = values[key]
    if isinstance(values, tf.RaggedTensor):
        return pa.ListArray.from_arrays(
            pa.array(values.row_splits.numpy(), pa.int32()),
            _texts(values.flat_values.numpy()),
        )
    array = values.numpy()
    if array.ndim == 1:
        return _texts(array)
    offsets = np.arange(len(array) + 1, dtype=np.int32) * array.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), _texts(array.reshape(-1)))


def _texts(values: np.ndarray) -> pa.Array:
    """Numbers and bytes as text; what is no UTF-8 with its bytes escaped."""
    if values.dtype == object:
        return pa.array([text_of(value) for value in values], pa.string())
    return texts(pa.array(values))


def _batches(
    directory: str, split: str, first: int, rows: int, wanted: tuple[str, ...], size: int
) -> Iterator[Mapping[str, Any]]:
    import tensorflow_datasets as tfds

    config = tfds.ReadConfig(
        interleave_cycle_length=1, try_autocache=False, add_tfds_id=False, skip_prefetch=True
    )
    dataset = _builder(directory).as_dataset(
        split=f"{split}[{first}:{first + rows}]",
        read_config=config,
        decoders=tfds.decode.PartialDecoding(_nested(wanted)),
        shuffle_files=False,
    )
    return iter(dataset.ragged_batch(size))


def _nested(names: tuple[str, ...]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name in names:
        *parents, last = name.split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = True
    return tree


@lru_cache(maxsize=4)
def _builder(directory: str):
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(directory)


def _named_builder(source: str, path: str | None):
    """The builder of a prepared data set."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ConfigError(
            f"data.source={source!r} needs tensorflow-datasets: pip install tensorflow-datasets."
        ) from error
    if path is not None and tf.io.gfile.exists(os.path.join(path, "dataset_info.json")):
        return _builder(path)
    try:
        builder = tfds.builder(source.removeprefix(TFDS), data_dir=path)
    except ValueError as error:
        reason = str(error).split("\n")[0]
        raise ConfigError(
            f"data.source={source!r} is no data set of tensorflow-datasets: {reason} Names are "
            "those of https://www.tensorflow.org/datasets, or give the folder of a prepared data "
            "set as data.path."
        ) from error
    if not builder.info.splits:
        try:
            builder.download_and_prepare()
        except Exception as error:  # whatever its script, the network or a missing module raise
            raise DataError(
                f"{source} is not prepared in {builder.data_path}, and cannot be fetched: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}. "
                "Prepare it where there is a network (tfds build), and set data.path to its "
                "data_dir."
            ) from error
    return builder
