"""Batches of examples from a bundle, as tf.data datasets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from features.bundle import Bundle, check_not_replaced, open_bundle
from features.columns import Column
from features.records import count_rows, decode_block, decode_rows
from models.embeddings.embedding_inputs import aligned_sequences
from pipeline.batches.hidden_tokens import Hidden, hide_tokens
from pipeline.batches.length_buckets import bucketed_order, history_lengths
from pipeline.batches.position import (
    START,
    WHOLE,
    Position,
    Shard,
    batches_of_epoch,
    check_position,
    check_shard,
)
from pipeline.batches.row_matrix import pack, unpack
from pipeline.batches.trimmed_steps import trim_steps

_ROWS_PER_PARSE = 1024  # layout `row`: parsing Examples singly costs ten times as much
_FILES_AT_ONCE = 4
_BATCHES_AHEAD = 4
_RECORDS_OF_A_FILE = 1_000_000  # more than a file has: it is read at once, and permuted


@dataclass(frozen=True)
class Windows:
    """How the rows of an epoch are permuted.

    Args:
        seed: Of the shuffle.
        rows: Rows that are permuted together.
        batch_size: Rows of a batch, where those of like histories are to come together.
        histories: Names of the sequences of each history then; otherwise none.
    """

    seed: int
    rows: int
    batch_size: int = 1
    histories: tuple[tuple[str, ...], ...] = ()


# AutoGraph would search every function of these datasets for control flow, and there is none.
@tf.autograph.experimental.do_not_convert
def examples(
    bundle: Bundle,
    split: str,
    batch_size: int,
    epochs: int | None = None,
    seed: int = 0,
    shuffle_rows: int = 40_960,
    start: Position = START,
    shard: Shard = WHOLE,
    hidden: Mapping[str, Hidden] | None = None,
    trimmed: bool = False,
    bucketed: bool = False,
) -> tf.data.Dataset:
    """Batches of (inputs, label) or, where the data has weights, (inputs, label, weight).

    Shuffled where `epochs` is given: files, then records, then rows among `shuffle_rows` at a
    time. The order is a function of (seed, epoch) alone. The last batch of an epoch is smaller.

    Args:
        bundle: Data bundle that is read.
        split: `train`, `valid` or `test`.
        batch_size: Examples in a batch, over all shards together.
        epochs: How many shuffled passes the dataset holds; None: one pass in the order of the
            files.
        seed: Seed of the shuffle.
        shuffle_rows: Number of rows that are permuted together.
        start: The dataset begins with this batch, and goes on as it would have without. Earlier
            epochs cost nothing; earlier records of its epoch are read but not decoded.
        shard: (index, count). This worker's part of every batch: `count` equal parts, in order, of
            what one worker alone would be given. The last batch of an epoch loses the rows that do
            not divide by `count`. A worker reads and decodes the rows of all.
        hidden: Feature -> share of its tokens that are shown as unknown, drawn anew for every
            batch; see `pipeline.batches.hidden_tokens`.
        trimmed: Cut the histories of a batch to its longest, see `pipeline.batches.trimmed_steps`.
            The number of their steps is then unknown to a graph.
        bucketed: Put rows whose histories are about equally long into one batch, see
            `pipeline.batches.length_buckets`; `shuffle_rows` is rounded up to whole batches then.
            Without histories, or without a shuffle, it changes nothing.

    Returns:
        Dataset of inputs, a dict of feature name -> tensor (batch,) or (batch, length), label
        float32 (batch,), and weight float32 (batch,).

    Raises:
        ConfigError: `start` or `shard` does not fit.
    """
    rows = bundle.metadata.rows[split]
    check_position(start, rows, batch_size, epochs)
    check_shard(shard, batch_size)
    features = bundle.metadata.features
    roles = [spec.name for spec in (features.label, features.weight) if spec is not None]
    names = [spec.name for spec in features.inputs]
    columns = _columns(bundle, [*names, *roles])
    histories = aligned_sequences(bundle.metadata.model_inputs()).values()
    if epochs is None:
        skipped = start.batch * batch_size
        records = tf.data.TFRecordDataset(bundle.files(split))
        dataset = _packed(records, bundle, columns, skipped).rebatch(batch_size)
    else:
        windows = Windows(seed, shuffle_rows)
        if bucketed and histories:
            whole = -(-shuffle_rows // batch_size) * batch_size
            windows = Windows(seed, whole, batch_size, tuple(histories))
        dataset = _epochs(bundle, split, columns, batch_size, epochs, windows, start)
    if shard != WHOLE:
        dataset = _part(dataset, *shard)

    def split_roles(packed: dict[str, tf.Tensor]) -> tuple:
        row = unpack(packed, columns)
        return ({name: row[name] for name in names}, *(row[name] for name in roles))

    dataset = dataset.map(split_roles, num_parallel_calls=tf.data.AUTOTUNE)
    if hidden:
        before = start.epoch * batches_of_epoch(rows, batch_size, shard) + start.batch
        dataset = _hiding(dataset, hidden, seed, before, shard, batch_size)
    if trimmed and histories:  # behind what draws numbers for every step
        dataset = dataset.map(
            lambda inputs, *roles: (trim_steps(inputs, histories), *roles),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return dataset.prefetch(_BATCHES_AHEAD).with_options(_options())


def _options() -> tf.data.Options:
    options = tf.data.Options()
    # A batch is the global batch: every replica takes its share of it.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # The autotuner sleeps for longer and longer, and an iterator cannot end before it wakes: a pass
    # of t seconds took up to 2 t. Without it, "AUTOTUNE" is one call for each core.
    options.autotune.enabled = False
    return options


def _epochs(
    bundle: Bundle,
    split: str,
    columns: Sequence[Column],
    batch_size: int,
    epochs: int,
    windows: Windows,
    start: Position,
) -> tf.data.Dataset:
    """Packed batches of the epochs from a position on, each in an order of its own."""

    def epoch_from(epoch: tf.Tensor, skipped: int) -> tf.data.Dataset:
        return _shuffled(bundle, split, columns, windows, epoch, skipped).rebatch(batch_size)

    skipped = start.batch * batch_size
    whole = start.epoch + bool(skipped)
    dataset = tf.data.Dataset.range(whole, epochs).flat_map(lambda epoch: epoch_from(epoch, 0))
    if not skipped:
        return dataset
    return epoch_from(tf.constant(start.epoch, tf.int64), skipped).concatenate(dataset)


def _hiding(
    dataset: tf.data.Dataset,
    hidden: Mapping[str, Hidden],
    seed: int,
    before: int,
    shard: Shard,
    batch_size: int,
) -> tf.data.Dataset:
    """Batches some of whose tokens are unknown; `before` is the number of the first."""

    def hide(number: tf.Tensor, row: tuple) -> tuple:
        inputs, *roles = row
        first_row = shard[0] * tf.shape(roles[0])[0]
        inputs = hide_tokens(inputs, hidden, (seed, number), first_row, batch_size)
        return (inputs, *roles)

    return dataset.enumerate(before).map(hide, num_parallel_calls=tf.data.AUTOTUNE)


@contextmanager
def refusing_damage(bundle: Bundle) -> Iterator[None]:
    """Names the damaged file where TensorFlow only says that a record is corrupt.

    Raises:
        BundleError: A file is gone or has another checksum than the manifest says; or the bundle
            was replaced before the end, so that rows of another one may have been read.
    """
    check_not_replaced(bundle)
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError):
        check_not_replaced(bundle)
        open_bundle(bundle.path, verify=True)
        raise
    check_not_replaced(bundle)


@tf.autograph.experimental.do_not_convert
def column_arrays(
    bundle: Bundle, split: str, names: Sequence[str], at: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Whole columns of a split in the order of `examples` without epochs, or some of their rows.

    Args:
        bundle: Data bundle that is read.
        split: `train`, `valid` or `test`.
        names: Names of the columns.
        at: Places of the rows that are kept, rising; None keeps all.

    Returns:
        Name -> array of shape (rows,), (rows, length) or (rows, dimension).

    Raises:
        BundleError: The bundle is damaged, or was replaced.
    """
    with refusing_damage(bundle):
        records = tf.data.TFRecordDataset(bundle.files(split))
        blocks = list(_kept(_decode(records, bundle, _columns(bundle, names)), at))
    return {name: np.concatenate([block[name] for block in blocks]) for name in names}


def _kept(blocks: tf.data.Dataset, at: np.ndarray | None) -> Iterator[dict[str, np.ndarray]]:
    """Blocks of rows, as arrays, of which only the rows at some places are kept."""
    seen = 0
    for block in blocks.as_numpy_iterator():
        if at is None:
            yield block
            continue
        count = len(next(iter(block.values())))
        here = at[np.searchsorted(at, seen) : np.searchsorted(at, seen + count)] - seen
        yield {name: column[here] for name, column in block.items()}
        seen += count


def _columns(bundle: Bundle, names: Sequence[str]) -> list[Column]:
    return [column for column in bundle.metadata.columns if column.name in names]


def _packed(
    records: tf.data.Dataset, bundle: Bundle, columns: Sequence[Column], skipped: int
) -> tf.data.Dataset:
    """Records -> blocks of packed rows, without the first `skipped` rows."""

    def packed(block: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return pack(block, columns)

    if not skipped or bundle.metadata.layout == "row":
        return _decode(records.skip(skipped), bundle, columns, packed)

    def seen_before(seen: tf.Tensor, record: tf.Tensor) -> tuple:
        return seen + count_rows(record), (seen, record)

    def rest(seen: tf.Tensor, record: tf.Tensor) -> dict[str, tf.Tensor]:
        begin = tf.maximum(skipped - seen, 0)
        block = packed(decode_block(record, columns))
        return {name: rows[begin:] for name, rows in block.items()}

    return (
        records.scan(tf.constant(0, tf.int64), seen_before)
        .filter(lambda seen, record: seen + count_rows(record) > skipped)
        .map(rest, num_parallel_calls=tf.data.AUTOTUNE)
    )


def _decode(
    records: tf.data.Dataset,
    bundle: Bundle,
    columns: Sequence[Column],
    form: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] = dict,
) -> tf.data.Dataset:
    """Records -> what `form` makes of blocks of rows, each a dict of column name -> tensor."""
    decode: Callable[..., dict[str, tf.Tensor]] = decode_block
    if bundle.metadata.layout == "row":
        records, decode = records.batch(_ROWS_PER_PARSE), decode_rows
    # One map for both: a second one would hand every block over once more.
    return records.map(
        lambda record: form(decode(record, columns)), num_parallel_calls=tf.data.AUTOTUNE
    )


def _part(batches: tf.data.Dataset, index: int, count: int) -> tf.data.Dataset:
    """One of `count` equal parts of every batch that has a row for each."""

    def size_of(packed: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.shape(next(iter(packed.values())))[0] // count

    def part(packed: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        size = size_of(packed)
        return {name: rows[index * size : (index + 1) * size] for name, rows in packed.items()}

    return batches.filter(lambda packed: size_of(packed) > 0).map(part)


def _shuffled(
    bundle: Bundle,
    split: str,
    columns: Sequence[Column],
    windows: Windows,
    epoch: tf.Tensor,
    skipped: int,
) -> tf.data.Dataset:
    """One epoch's blocks of permuted rows, packed, without the first `skipped` rows.

    `Dataset.shuffle` takes no seed that depends on the epoch, so files, the records of a file,
    and rows are permuted by stateless generators instead.
    """
    epoch_seed = tf.constant(windows.seed, tf.int64) + epoch * 2**32
    first_window, skipped_of_it = divmod(skipped, windows.rows)

    def permuted(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(values, seed=[epoch_seed, index])

    def records_of(index: tf.Tensor, file: tf.Tensor) -> tf.data.Dataset:
        whole_file = tf.data.TFRecordDataset(file).batch(_RECORDS_OF_A_FILE)
        return whole_file.map(lambda records: permuted(records, index)).unbatch()

    def permute_rows(index: tf.Tensor, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        count = tf.shape(next(iter(rows.values())))[0]
        order = permuted(tf.range(count), index)
        if windows.histories:
            lengths = history_lengths(rows, windows.histories)
            order = bucketed_order(order, lengths, windows.batch_size, [epoch_seed, -2 - index])
        if skipped_of_it:
            order = order[tf.where(index == first_window, skipped_of_it, 0) :]
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
    blocks = _packed(records, bundle, columns, first_window * windows.rows).rebatch(windows.rows)
    return blocks.enumerate(first_window).map(permute_rows, num_parallel_calls=tf.data.AUTOTUNE)
