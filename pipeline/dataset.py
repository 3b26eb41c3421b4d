"""Batches of examples from a bundle, as tf.data datasets."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from features.bundle import Bundle, open_bundle
from features.records import Column, decode_block, decode_rows

_ROWS_PER_PARSE = 1024  # layout `row`: parsing Examples singly costs ten times as much
_FILES_AT_ONCE = 4
_RECORDS_OF_A_FILE = 1_000_000  # more than a file has: it is read at once, and permuted


def examples(
    bundle: Bundle,
    split: str,
    batch_size: int,
    epochs: int | None = None,
    seed: int = 0,
    shuffle_rows: int = 40_960,
) -> tf.data.Dataset:
    """Batches of (inputs, label) or, where the data has weights, (inputs, label, weight).

    Shuffled where `epochs` is given: files, then records, then rows among `shuffle_rows` at a
    time. The order is a function of (seed, epoch) alone. The last batch of an epoch is smaller.

    Args:
        bundle: From `features.bundle.open_bundle`.
        split: `train`, `valid` or `test`.
        batch_size: Examples in a batch.
        epochs: How many shuffled passes the dataset holds; None: one pass in the order of the
            files.
        seed: Of the shuffle.
        shuffle_rows: See above.

    Returns:
        Dataset of inputs, a dict of feature name -> tensor (batch,) or (batch, length), label
        float32 (batch,), and weight float32 (batch,).
    """
    features = bundle.metadata.features
    roles = [spec for spec in (features.label, features.weight) if spec is not None]
    columns = _columns(bundle, [spec.name for spec in (*features.inputs, *roles)])
    if epochs is None:
        dataset = _rows(bundle, split, columns).rebatch(batch_size)
    else:
        dataset = tf.data.Dataset.range(epochs).flat_map(
            lambda epoch: _shuffled(bundle, split, columns, seed, epoch, shuffle_rows).rebatch(
                batch_size
            )
        )

    def split_roles(row: dict[str, tf.Tensor]) -> tuple:
        inputs = {spec.name: row[spec.name] for spec in features.inputs}
        return (inputs, *(row[spec.name] for spec in roles))

    dataset = dataset.map(split_roles, num_parallel_calls=tf.data.AUTOTUNE)
    options = tf.data.Options()
    # A batch is the global batch: every replica takes its share of it.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


@contextmanager
def refusing_damage(bundle: Bundle) -> Iterator[None]:
    """Names the damaged file where TensorFlow only says that a record is corrupt.

    Raises:
        BundleError: A file has another checksum than the manifest says.
    """
    try:
        yield
    except tf.errors.DataLossError:
        open_bundle(bundle.path, verify=True)
        raise


def column_arrays(bundle: Bundle, split: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Whole columns of a split in the order of `examples` without epochs.

    Returns:
        Name -> array of shape (rows,), (rows, length) or (rows, dimension).
    """
    blocks = list(_rows(bundle, split, _columns(bundle, names)).as_numpy_iterator())
    return {name: np.concatenate([block[name] for block in blocks]) for name in names}


def _columns(bundle: Bundle, names: Sequence[str]) -> list[Column]:
    wanted = set(names)
    return [column for column in bundle.metadata.columns if column.name in wanted]


def _rows(bundle: Bundle, split: str, columns: Sequence[Column]) -> tf.data.Dataset:
    return _decode(tf.data.TFRecordDataset(bundle.files(split)), bundle, columns)


def _decode(records: tf.data.Dataset, bundle: Bundle, columns: Sequence[Column]) -> tf.data.Dataset:
    """Records -> blocks of rows, each a dict of column name -> tensor."""
    if bundle.metadata.layout == "row":
        return records.batch(_ROWS_PER_PARSE).map(
            lambda batch: decode_rows(batch, columns), num_parallel_calls=tf.data.AUTOTUNE
        )
    return records.map(
        lambda record: decode_block(record, columns), num_parallel_calls=tf.data.AUTOTUNE
    )


def _shuffled(
    bundle: Bundle,
    split: str,
    columns: Sequence[Column],
    seed: int,
    epoch: tf.Tensor,
    shuffle_rows: int,
) -> tf.data.Dataset:
    """One epoch's blocks of permuted rows.

    `Dataset.shuffle` takes no seed that depends on the epoch, so files, the records of a file,
    and rows are permuted by stateless generators instead.
    """
    epoch_seed = tf.constant(seed, tf.int64) + epoch * 2**32

    def permuted(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(values, seed=[epoch_seed, index])

    def records_of(index: tf.Tensor, file: tf.Tensor) -> tf.data.Dataset:
        whole_file = tf.data.TFRecordDataset(file).batch(_RECORDS_OF_A_FILE)
        return whole_file.map(lambda records: permuted(records, index)).unbatch()

    def permute_rows(index: tf.Tensor, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        count = tf.shape(next(iter(rows.values())))[0]
        order = permuted(tf.range(count), index)
        return {name: tf.gather(column, order) for name, column in rows.items()}

    files = permuted(tf.constant(bundle.files(split)), tf.constant(-1, tf.int64))
    records = (
        tf.data.Dataset.from_tensor_slices(files)
        .enumerate()
        .interleave(
            records_of,
            cycle_length=_FILES_AT_ONCE,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )
    windows = _decode(records, bundle, columns).rebatch(shuffle_rows)
    return windows.enumerate().map(permute_rows, num_parallel_calls=tf.data.AUTOTUNE)
