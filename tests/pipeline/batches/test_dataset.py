"""Batches from bundles: every row once an epoch, and an order that (seed, epoch) decides."""

from itertools import chain, pairwise, zip_longest
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from features.errors import BundleError
from pipeline.batches.dataset import column_arrays, examples, refusing_damage


def rows_of(dataset) -> list[list[int]]:
    """The `row` feature, batch by batch."""
    return [inputs["row"].astype(int).tolist() for inputs, *_ in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("layout", ["block", "row"])
def test_one_pass_gives_every_row_in_order_with_its_label(make_bundle, layout):
    bundle, arrays = make_bundle(layout)
    batches = list(examples(bundle, "train", 25).as_numpy_iterator())
    assert [len(label) for _, label in batches] == [25, 25, 25, 25, 3]
    for name in ("row", "user", "item", "seen"):
        joined = np.concatenate([inputs[name] for inputs, _ in batches])
        np.testing.assert_array_equal(joined, arrays["train"][name])
    labels = np.concatenate([label for _, label in batches])
    np.testing.assert_array_equal(labels, arrays["train"]["clicked"])


@pytest.mark.parametrize("layout", ["block", "row"])
def test_shuffled_epochs_hold_every_row_once_in_other_orders(make_bundle, layout):
    bundle, _ = make_bundle(layout)
    batches = rows_of(examples(bundle, "train", 25, epochs=2, seed=3, shuffle_rows=32))
    assert [len(batch) for batch in batches] == 2 * [25, 25, 25, 25, 3]
    first, second = (list(chain.from_iterable(part)) for part in (batches[:5], batches[5:]))
    assert sorted(first) == sorted(second) == list(range(103))
    assert first != second
    assert first != sorted(first)


def test_the_order_depends_on_seed_and_epoch_alone(random_bundle):
    def order(seed: int, epochs: int) -> list[list[int]]:
        return rows_of(examples(random_bundle, "train", 10, epochs, seed, shuffle_rows=32))

    assert order(3, epochs=1) == order(3, epochs=2)[:11]
    assert order(3, epochs=1) != order(4, epochs=1)


def test_rows_leave_their_record(random_bundle):
    """A permutation inside records of 16 rows alone would keep neighbours within 16."""
    (batch,) = rows_of(examples(random_bundle, "train", 103, epochs=1, shuffle_rows=103))
    assert max(abs(a - b) for a, b in pairwise(batch)) > 64


def test_an_empty_split_gives_no_batch(random_bundle):
    assert rows_of(examples(random_bundle, "test", 10)) == []


def test_columns_come_in_the_order_of_a_pass(make_bundle):
    bundle, arrays = make_bundle()
    columns = column_arrays(bundle, "valid", ["clicked", "user_key", "seen"])
    for name, values in columns.items():
        np.testing.assert_array_equal(values, arrays["valid"][name])


def test_a_damaged_record_names_its_file(make_bundle):
    bundle, _ = make_bundle()
    path = bundle.files("train")[1]
    content = bytearray(Path(path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(path).write_bytes(content)
    with (
        pytest.raises(BundleError, match=r"train-00001-of-00002.tfrecord has another checksum"),
        refusing_damage(bundle),
    ):
        rows_of(examples(bundle, "train", 25))


def shuffled_by_definition(rows_of_files, seed, epoch, window):
    """Files, the records of each, then rows of a window, by lists; four files take turns."""

    def permuted(values, index):
        key = [seed + epoch * 2**32, index]
        order = tf.random.experimental.stateless_shuffle(tf.range(len(values)), seed=key)
        return [values[i] for i in order.numpy()]

    files = [permuted(records, i) for i, records in enumerate(permuted(rows_of_files, -1))]
    turns = [record for turn in zip_longest(*files) for record in turn if record is not None]
    rows = list(chain.from_iterable(turns))
    windows = [rows[start : start + window] for start in range(0, len(rows), window)]
    return list(chain.from_iterable(permuted(rows, i) for i, rows in enumerate(windows)))


@pytest.mark.parametrize("epoch", [0, 1])
def test_the_order_is_the_defined_one(random_bundle, epoch):
    """Runs are compared across versions: another order would be other numbers."""
    files = [list(range(52)), list(range(52, 103))]
    records = [[rows[i : i + 16] for i in range(0, len(rows), 16)] for rows in files]
    batches = rows_of(examples(random_bundle, "train", 25, epochs=2, seed=3, shuffle_rows=32))
    received = list(chain.from_iterable(batches))[epoch * 103 : (epoch + 1) * 103]
    assert received == shuffled_by_definition(records, 3, epoch, 32)
