"""Batches of histories of like lengths: every row once, an order of its own, resumed exactly."""

from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.dataset import examples
from pipeline.batches.length_buckets import bucketed_order, history_lengths
from pipeline.batches.position import Position


def by_lists(order, lengths, batch_size, place_of_batch):
    """The definition, with Python's stable sort."""
    batches = len(order) // batch_size
    inside, left_over = order[: batches * batch_size], order[batches * batch_size :]
    ranked = sorted(inside, key=lambda row: lengths[row])
    batch_of = {row: rank // batch_size for rank, row in enumerate(ranked)}
    members = [[row for row in inside if batch_of[row] == batch] for batch in range(batches)]
    placed = sorted(range(batches), key=lambda batch: place_of_batch[batch])
    return [*chain.from_iterable(members[batch] for batch in placed), *left_over]


@pytest.mark.parametrize(("rows", "batch_size"), [(23, 4), (24, 4), (3, 4), (40, 1), (0, 4)])
def test_the_order_is_the_defined_one(rows, batch_size):
    rng = np.random.default_rng(rows)
    order = rng.permutation(rows).astype(np.int32)
    lengths = rng.integers(0, 6, rows).astype(np.int32)
    seed = [5, 7]
    places = tf.random.experimental.stateless_shuffle(tf.range(rows // batch_size), seed=seed)
    received = bucketed_order(tf.constant(order), tf.constant(lengths), batch_size, seed)
    expected = by_lists(order.tolist(), lengths, batch_size, places.numpy())
    assert received.numpy().tolist() == expected


def test_the_longest_history_of_a_row_counts():
    columns = {
        "clicked": np.array([[3, 0, 0, 0], [0, 0, 0, 0], [1, 2, 0, 0]]),
        "rating": np.array([[0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),  # a step without an id
        "bought": np.array([[1, 1], [0, 0], [0, 0]]),
    }
    lengths = history_lengths(columns, [("clicked", "rating"), ("bought",)])
    assert lengths.numpy().tolist() == [3, 0, 2]
    assert history_lengths({"bought": np.zeros((2, 0), int)}, [("bought",)]).numpy().tolist() == [
        0,
        0,
    ]


def batches(bundle, **arguments):
    settings = {"batch_size": 10, "epochs": 2, "seed": 5, "shuffle_rows": 32, **arguments}
    return list(examples(bundle, "train", trimmed=True, **settings).as_numpy_iterator())


def rows_of(batch):
    """Each row as something that can be compared: its numbers in the order of their names."""
    inputs, label = batch
    columns = [np.pad(x, [(0, 0), (0, 40 - x.shape[1])]) if x.ndim > 1 else x[:, None]
               for _, x in sorted(inputs.items())]  # fmt: skip
    return [tuple(row) for row in np.concatenate([*columns, label[:, None]], axis=1).tolist()]


def test_an_epoch_holds_the_rows_of_one_without_buckets(random_bundle):
    plain, bucketed = (batches(random_bundle, bucketed=each) for each in (False, True))
    assert [len(label) for _, label in bucketed] == [len(label) for _, label in plain]
    for epoch in (slice(0, 11), slice(11, 22)):
        rows = [sorted(chain.from_iterable(map(rows_of, b[epoch]))) for b in (plain, bucketed)]
        assert rows[0] == rows[1]
    assert [*map(rows_of, bucketed[:11])] != [*map(rows_of, bucketed[11:])]


def test_batches_are_cut_to_fewer_steps(random_bundle):
    whole = {"shuffle_rows": 103, "batch_size": 10}
    plain, bucketed = (
        sum(inputs["seen"].size for inputs, _ in batches(random_bundle, bucketed=each, **whole))
        for each in (False, True)
    )
    assert bucketed < 0.9 * plain


@pytest.mark.parametrize("start", [Position(0, 1), Position(0, 7), Position(1, 3)])
def test_a_training_that_goes_on_is_given_the_same_batches(random_bundle, start):
    whole = batches(random_bundle, bucketed=True)
    rest = batches(random_bundle, bucketed=True, start=start)
    assert [*map(rows_of, rest)] == [*map(rows_of, whole[start.epoch * 11 + start.batch :])]


def test_without_a_shuffle_the_order_stays(random_bundle):
    plain, bucketed = (batches(random_bundle, epochs=None, bucketed=each) for each in (False, True))
    assert [*map(rows_of, plain)] == [*map(rows_of, bucketed)]
