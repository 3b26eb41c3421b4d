"""What makes a bundle of layout `row` a data set of tensorflow-datasets."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from features.bundle import FileEntry
from features.columns import Column

_TEMPLATE = "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"


def write_tfds_metadata(
    folder: str,
    name: str,
    columns: Sequence[Column],
    files: Mapping[str, FileEntry],
    description: str,
) -> None:
    """Writes dataset_info.json and features.json, so that `tfds.builder_from_directory` loads it.

    Args:
        folder: Folder of the record files.
        name: Name of the data set.
        columns: What the records hold.
        files: Name -> entry of the record files.
        description: One sentence on the data set.
    """
    import tensorflow_datasets as tfds  # takes a second to import, and only this layout needs it

    features = tfds.features.FeaturesDict({column.name: _feature(column) for column in columns})
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, template=_TEMPLATE, dataset_name=name, filetype_suffix="tfrecord"
    )
    splits = []
    for split in dict.fromkeys(file.split("-")[0] for file in sorted(files)):
        entries = [entry for file, entry in sorted(files.items()) if file.startswith(f"{split}-")]
        splits.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[entry.rows for entry in entries],
                num_bytes=sum(entry.size for entry in entries),
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=splits,
        filename_template=template,
        check_data=False,
        description=description,
    )


def _feature(column: Column):
    import tensorflow_datasets as tfds

    dtype = np.dtype(column.dtype)
    if column.length is not None:
        return tfds.features.Tensor(shape=(None,), dtype=dtype)
    if column.dimension is not None:
        return tfds.features.Tensor(shape=(column.dimension,), dtype=dtype)
    return tfds.features.Scalar(dtype=tf.as_dtype(column.dtype))
