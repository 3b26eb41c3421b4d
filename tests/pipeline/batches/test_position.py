"""Datasets that begin in the middle, and datasets of one worker of several."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.errors import ConfigError
from pipeline.batches.dataset import examples
from pipeline.batches.position import Position, batches_of_epoch
from tests.examples import num_examples

ROWS, EPOCHS, SEED, WINDOW = 103, 3, 5, 32
# Fewer rows than a batch, no divisor of the window, the window, more than it, all rows.
BATCH_SIZES = [1, 12, 25, 32, 40, 103, 200]


@pytest.fixture(scope="module")
def bundles(make_bundle):
    return {layout: make_bundle(layout)[0] for layout in ("block", "row")}


@pytest.fixture(scope="module")
def undisturbed(bundles):
    """The batches of a dataset from its beginning, once for each layout and batch size."""
    found = {}

    def batches(layout, batch_size, shuffled=True):
        key = layout, batch_size, shuffled
        if key not in found:
            found[key] = list(dataset(bundles[layout], batch_size, shuffled).as_numpy_iterator())
        return found[key]

    return batches


def dataset(bundle, batch_size, shuffled=True, **kwargs):
    epochs = EPOCHS if shuffled else None
    return examples(bundle, "train", batch_size, epochs, SEED, WINDOW, **kwargs)


def assert_equal_batches(received, expected):
    received = list(received)
    assert len(received) == len(expected)
    for ours, theirs in zip(received, expected, strict=True):
        tf.nest.assert_same_structure(ours, theirs)
        for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@settings(max_examples=num_examples(12), deadline=None)
@given(
    layout=st.sampled_from(["block", "row"]),
    batch_size=st.sampled_from(BATCH_SIZES),
    epoch=st.integers(0, EPOCHS - 1),
    batch=st.integers(0, ROWS),
)
@example(layout="block", batch_size=12, epoch=1, batch=3)  # inside the second window
@example(layout="block", batch_size=32, epoch=1, batch=2)  # where a window begins
@example(layout="block", batch_size=25, epoch=2, batch=5)  # the very end
def test_a_dataset_goes_on_with_the_very_next_batch(
    bundles, undisturbed, layout, batch_size, epoch, batch
):
    an_epoch = math.ceil(ROWS / batch_size)
    batch = min(batch, an_epoch)
    received = dataset(bundles[layout], batch_size, start=Position(epoch, batch))
    expected = undisturbed(layout, batch_size)[epoch * an_epoch + batch :]
    assert_equal_batches(received.as_numpy_iterator(), expected)


@pytest.mark.parametrize("layout", ["block", "row"])
@pytest.mark.parametrize("batch", [0, 1, 3, 5])
def test_a_pass_in_the_order_of_the_files_goes_on_too(bundles, undisturbed, layout, batch):
    received = dataset(bundles[layout], 25, shuffled=False, start=Position(0, batch))
    expected = undisturbed(layout, 25, shuffled=False)[batch:]
    assert_equal_batches(received.as_numpy_iterator(), expected)


def test_records_that_are_skipped_are_not_decoded(bundles, monkeypatch):
    """A decoder that counts its rows: no more than the rest of the epoch and one window."""
    rows = tf.Variable(0)

    def counting(record, columns):
        decoded = decode_block(record, columns)
        rows.assign_add(tf.size(decoded["row"]))
        return decoded

    from pipeline.batches import dataset as module

    decode_block = module.decode_block
    monkeypatch.setattr(module, "decode_block", counting)
    begun = examples(bundles["block"], "train", 25, 1, SEED, WINDOW, start=Position(0, 3))
    assert sum(len(label) for _, label in begun.as_numpy_iterator()) == ROWS - 75
    # 64 rows, two windows, are skipped: up to 15 of them lie in the record that row 64 is in.
    assert ROWS - 64 <= int(rows) <= ROWS - 64 + 15


@pytest.mark.parametrize("start", [Position(EPOCHS, 0), Position(EPOCHS - 1, 5)])
def test_the_end_is_a_position(bundles, start):
    assert list(dataset(bundles["block"], 25, start=start)) == []


@pytest.mark.parametrize("start", [Position(EPOCHS, 1), Position(EPOCHS + 1, 0), Position(0, 6)])
def test_a_position_of_another_run_is_refused(bundles, start):
    with pytest.raises(ConfigError, match=r"Go on with the bundle, batch size and epochs"):
        dataset(bundles["block"], 25, start=start)


@pytest.mark.parametrize("values", [(-1, 0), (0, -1), (0, 1.0), (True, 0)])
def test_a_position_is_two_counts(values):
    with pytest.raises(ConfigError, match=r"Give an integer of 0 or more"):
        Position(*values)


@pytest.mark.parametrize("layout", ["block", "row"])
@pytest.mark.parametrize(("batch_size", "count"), [(24, 2), (24, 3), (100, 4), (25, 5)])
def test_the_workers_parts_in_order_are_the_batches_of_one(
    bundles, undisturbed, layout, batch_size, count
):
    """3 rows of 103 are left at 100: 4 workers drop them, and that batch."""
    parts = [
        list(dataset(bundles[layout], batch_size, shard=(i, count)).as_numpy_iterator())
        for i in range(count)
    ]
    expected = []
    for batch in undisturbed(layout, batch_size):
        even = len(batch[1]) // count * count
        if even:
            expected.append(tf.nest.map_structure(lambda rows, even=even: rows[:even], batch))
    joined = [
        tf.nest.map_structure(lambda *rows: np.concatenate(rows), *step)
        for step in zip(*parts, strict=True)
    ]
    assert_equal_batches(joined, expected)
    for step in zip(*parts, strict=True):
        assert len({len(label) for _, label in step}) == 1
    assert len(parts[0]) == EPOCHS * batches_of_epoch(ROWS, batch_size, (0, count))


def test_a_worker_goes_on_with_its_part_of_the_next_batch(bundles):
    whole = list(dataset(bundles["block"], 24, shard=(1, 2)).as_numpy_iterator())
    begun = dataset(bundles["block"], 24, shard=(1, 2), start=Position(1, 2))
    assert_equal_batches(begun.as_numpy_iterator(), whole[5 + 2 :])


@pytest.mark.parametrize(
    ("shard", "message"),
    [((2, 2), "0 <= index < count"), ((-1, 2), "0 <= index"), ((0, 7), "such as 28")],
)
def test_parts_that_are_not_equal_are_refused(bundles, shard, message):
    with pytest.raises(ConfigError, match=message):
        dataset(bundles["block"], 25, shard=shard)


def test_an_empty_split_has_a_beginning_and_an_end(bundles):
    for kwargs in ({}, {"start": Position(1, 0)}, {"shard": (0, 5)}):
        assert list(examples(bundles["block"], "test", 25, EPOCHS, **kwargs)) == []


@pytest.mark.parametrize("rows", [0, 1, 24, 25, 26, 103])
@pytest.mark.parametrize("count", [1, 5])
def test_batches_are_counted_as_they_are_given(rows, count):
    sizes = [min(25, rows - start) for start in range(0, rows, 25)]
    assert batches_of_epoch(rows, 25, (0, count)) == sum(size >= count for size in sizes)
