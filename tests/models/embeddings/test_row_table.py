import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.embeddings import row_table
from models.embeddings.embedding_layout import TableLayout
from models.embeddings.row_table import ReadRows, RowTable, row_penalty, weight_gradient
from models.optimizers import RowSlots

STATES = [None, RowSlots(per_column=2), RowSlots(per_segment=1, per_row=1, initial=0.25)]
ROWS = np.array([[3, 0, 3], [8, 3, 0]], "int32")


def table(slots=None, around_one=(), stddev=0.5) -> RowTable:
    made = RowTable(TableLayout(9, [2, 2, 1], around_one), slots, stddev)
    made.build()
    return made


@pytest.mark.parametrize("slots", STATES)
@pytest.mark.parametrize("training", [False, True])
def test_reads_weights_and_leaves_the_state(slots, training):
    made = table(slots)
    expected = made.table.numpy()[ROWS][:, :, :5]
    np.testing.assert_array_equal(made(ROWS, training=training), expected)
    state = made.table.numpy()[:, 5:]
    np.testing.assert_array_equal(state, np.full_like(state, slots.initial if slots else 0.0))
    assert state.shape[1] == made.state_columns


@pytest.mark.parametrize("slots", STATES)
def test_the_gradient_names_every_row_once(slots):
    made = table(slots)
    factors = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(ROWS, training=True) * factors)
    gradient = weight_gradient(tape.gradient(loss, made.table), made.table)
    assert sorted(gradient.indices.numpy().tolist()) == [0, 3, 8]
    expected = np.zeros((9, 5))
    for row, factor in zip(ROWS.reshape(-1), factors.reshape(-1, 5), strict=True):
        expected[row] += factor
    np.testing.assert_allclose(gradient.values, expected[gradient.indices.numpy()], rtol=1e-6)


def test_an_empty_batch_reads_and_moves_nothing():
    made = table(RowSlots(per_column=2))
    with tf.GradientTape() as tape:
        values = made(tf.zeros((0, 3), tf.int32), training=True)
        loss = tf.reduce_sum(values)
    assert values.shape == (0, 3, 5)
    gradient = weight_gradient(tape.gradient(loss, made.table), made.table)
    assert gradient.indices.shape == (0,)


@pytest.mark.parametrize("slots", STATES)
def test_a_seed_gives_the_same_weights_with_and_without_state(slots):
    tf_keras.utils.set_random_seed(3)
    plain = table().table.numpy()
    tf_keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(table(slots).table.numpy()[:, :5], plain)


@pytest.mark.parametrize("initializer", ["normal", "truncated_normal", "uniform"])
def test_initializers_have_the_given_scale(initializer):
    made = RowTable(TableLayout(20_000, [5]), stddev=0.01, initializer=initializer)
    made.build()
    # A normal distribution cut at two deviations keeps 0.88 of its deviation.
    scale = 0.88 if initializer == "truncated_normal" else 1.0
    assert made.table.numpy().std() == pytest.approx(0.01 * scale, rel=0.02)


@pytest.mark.parametrize("slots", STATES)
def test_a_large_table_is_drawn_chunk_by_chunk(slots, monkeypatch):
    monkeypatch.setattr(row_table, "_CHUNK", 700)  # numbers: 140 rows of 1,001
    made = RowTable(TableLayout(1_001, [2, 2, 1], [(139, 141)]), slots, 0.01)
    made.build()
    whole = made.table.numpy()
    weights, state = whole[:, :5], whole[:, 5:]
    np.testing.assert_array_equal(state, np.full_like(state, slots.initial if slots else 0.0))
    np.testing.assert_allclose(weights[139:141], 1.0, atol=0.06)
    weights[139:141] -= 1.0
    assert len(np.unique(weights)) > 4_900  # no chunk is a copy of another
    for chunk in np.array_split(weights, 8):
        assert chunk.std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_array_equal(made(ROWS, training=True), whole[ROWS][:, :, :5])


def test_replicas_begin_with_the_same_large_table(monkeypatch, two_replicas):
    monkeypatch.setattr(row_table, "_CHUNK", 20)
    with two_replicas.scope():
        made = table(RowSlots(per_column=2))
    copies = two_replicas.experimental_local_results(made.table)
    first, second = (copy.numpy() for copy in copies)
    np.testing.assert_array_equal(first, second)
    assert np.all(first[:, :5] != 0.0)


def test_rows_around_one():
    made = table(around_one=[(4, 6)], stddev=1e-3)
    means = made.table.numpy().mean(axis=1)
    np.testing.assert_allclose(means, [0, 0, 0, 0, 1, 1, 0, 0, 0], atol=0.01)


def test_state_is_dropped_and_weights_stay():
    made = table(RowSlots(per_column=2))
    before = made(ROWS).numpy()
    made.drop_slots()
    assert made.table.shape == (9, 5)
    assert len(made.weights) == 1
    np.testing.assert_array_equal(made(ROWS), before)
    made.drop_slots()  # once more changes nothing
    np.testing.assert_array_equal(made(ROWS), before)
    np.testing.assert_array_equal(made.weights_between(2, 4, slice(1, 3)), made.table[2:4, 1:3])


def test_an_unknown_initializer_is_refused():
    with pytest.raises(ValueError, match="must be one of normal, truncated_normal, uniform"):
        RowTable(TableLayout(9, [2]), initializer="glorot")


def test_the_penalty_counts_a_row_once_over_replicas(two_replicas):
    weights = np.random.default_rng(1).normal(size=(9, 5)).astype("float32")
    reads = ([0, 3, 8], [3, 5])  # row 3 by both replicas

    @tf.function
    def shares():
        def run():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            rows = tf.cond(
                tf.equal(replica, 0), lambda: tf.constant(reads[0]), lambda: tf.constant(reads[1])
            )
            return row_penalty(ReadRows(rows, *[tf.gather(weights, rows)] * 2))

        return two_replicas.experimental_local_results(two_replicas.run(run))

    expected = np.sum(weights[[0, 3, 5, 8]].astype("float64") ** 2)
    np.testing.assert_allclose(sum(each.numpy() for each in shares()), expected, rtol=1e-6)
    alone = row_penalty(ReadRows(tf.constant([0, 3]), *[tf.gather(weights, [0, 3])] * 2))
    np.testing.assert_allclose(alone, np.sum(weights[[0, 3]] ** 2), rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16], ids=lambda each: each.name)
@pytest.mark.parametrize("slots", STATES)
def test_stored_in_fewer_bits_it_still_reads_float32(slots, dtype):
    made = table(slots)
    rounded = made.table.numpy()[:, :5].astype(dtype.as_numpy_dtype)
    made.store_as(dtype)
    assert (made.table.dtype, made.table.shape) == (dtype, (9, 5))
    read = made(ROWS)
    assert read.dtype == tf.float32
    np.testing.assert_array_equal(read, rounded.astype("float32")[ROWS])
    assert made.weights == [made.table]


def test_a_weight_beyond_the_stored_type_is_refused_and_nothing_changes():
    made = table()
    before = made.table.numpy()
    before[2, 1] = 70_000.0
    made.table.assign(before)
    with pytest.raises(ValueError, match=r"1 weights are larger than float16 can hold, 65,504"):
        made.store_as(tf.float16)
    np.testing.assert_array_equal(made.table, before)
    made.store_as(tf.bfloat16)  # which has the range of float32
    assert np.isfinite(made(ROWS)).all()
