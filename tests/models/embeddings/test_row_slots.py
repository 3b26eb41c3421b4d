"""What a table's rows hold, and how a variable is marked with it."""

import pytest
import tensorflow as tf

from models.optimizers import RowSlots, TableRows, mark_table, table_rows


def test_columns_are_counted_slot_by_slot():
    slots = RowSlots(per_column=2, per_segment=1, per_row=1)
    assert slots.widths([4, 4, 1]) == [9, 9, 3, 1]
    assert slots.columns([4, 4, 1]) == 22
    rows = TableRows((4, 4, 1), slots)
    assert (rows.weights, rows.columns) == (9, 31)
    assert TableRows((3,)).columns == 3


def test_a_mark_is_found_again_and_only_where_it_was_made():
    marked, other = tf.Variable(tf.zeros([2, 6])), tf.Variable(tf.zeros([2, 6]))
    rows = TableRows((2,), RowSlots(per_column=2))
    mark_table(marked, rows)
    assert table_rows(marked) == rows
    assert table_rows(other) is None


@pytest.mark.parametrize("shape", [[2, 5], [6], [2, 6, 1]])
def test_a_variable_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(rows, 6\).*TableRows.columns"):
        mark_table(tf.Variable(tf.zeros(shape)), TableRows((2,), RowSlots(per_column=2)))


def test_parts_of_a_distributed_variable_are_marked(two_replicas):
    with two_replicas.scope():
        variable = tf.Variable(tf.zeros([2, 3]))
    mark_table(variable, TableRows((3,)))
    assert [table_rows(part) for part in variable.values] == [TableRows((3,))] * 2
    found = two_replicas.run(lambda: tf.constant(table_rows(variable) == TableRows((3,))))
    assert all(found.values)


def test_shards_are_marked():
    shards = [tf.Variable(tf.zeros([2, 3])), tf.Variable(tf.zeros([1, 3]))]
    sharded = tf.__internal__.distribute.ShardedVariable(shards)
    mark_table(sharded, TableRows((3,)))
    assert [table_rows(part) for part in (sharded, *shards)] == [TableRows((3,))] * 3
