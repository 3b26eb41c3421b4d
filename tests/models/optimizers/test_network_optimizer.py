"""One optimizer for a network: who moves what, at what rate, clipped by which norm."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.optimizers import (
    FusedAdam,
    LazyAdam,
    NetworkOptimizer,
    RowSlots,
    RowwiseAdagrad,
    TableRows,
    make_optimizer,
    mark_table,
)
from models.optimizers.schedules import make_schedule
from tests.models.optimizers import small_model
from tests.models.optimizers.oracles import (
    WIDTH,
    AdamOracle,
    RowwiseAdagradOracle,
    gradients,
    initial_weights,
    packed_table,
    slices,
)

SGD = tf_keras.optimizers.SGD


def sgd_pair(clip=None, schedule=None, ratio=1.0) -> NetworkOptimizer:
    return NetworkOptimizer(SGD(0.5), SGD(9.0), schedule, clip, ratio)


def plain_table(rows: int = 3) -> tf.Variable:
    table = tf.Variable(tf.ones([rows, 1]))
    mark_table(table, TableRows((1,)))
    return table


def one_row(value: float, rows: int = 3) -> tf.IndexedSlices:
    return tf.IndexedSlices(tf.constant([[value]]), tf.constant([2]), tf.constant([rows, 1]))


@pytest.mark.parametrize("tables", [LazyAdam, RowwiseAdagrad])
def test_tables_and_dense_weights_follow_their_own_oracles(tables):
    """With a schedule, a rate of the tables' own, and clipping over both together."""
    schedule, clip, rate, ratio = make_schedule("linear", 2, 4, 0.5), 1.5, 0.2, 0.25
    inner = tables(1.0)
    optimizer = NetworkOptimizer(FusedAdam(rate), inner, schedule, clip, ratio)
    table = packed_table(initial_weights(), optimizer.row_slots)
    kernel = tf.Variable(initial_weights(5))
    oracle = AdamOracle if tables is LazyAdam else RowwiseAdagradOracle
    table_oracle, kernel_oracle = oracle(initial_weights()), AdamOracle(initial_weights(5))
    step = tf.function(
        lambda g, h: optimizer.apply_gradients([(g, table), (h, kernel)])  # as `fit` traces it
    )
    clipped = 0
    for i, (rows, values) in enumerate(gradients()):
        dense = np.random.default_rng(i).normal(size=kernel.shape) * 0.2
        factor = i / 2 if i < 2 else 1 - 0.5 * min((i - 2) / 4, 1)
        norm = np.sqrt((values.astype("float64") ** 2).sum() + (dense**2).sum())
        scale = min(1.0, clip / norm)
        clipped += scale < 1.0
        kernel_oracle.learning_rate = rate * factor
        table_oracle.learning_rate = rate * factor * ratio
        kernel_oracle(range(len(dense)), dense * scale)
        table_oracle(rows, values * scale)
        step(slices(rows, values), tf.constant(dense, tf.float32))
        np.testing.assert_allclose(kernel, kernel_oracle.weights, rtol=0, atol=1e-5)
        np.testing.assert_allclose(table[:, :WIDTH], table_oracle.weights, rtol=0, atol=5e-6)
    assert 0 < clipped < len(gradients())
    assert optimizer.iterations.numpy() == len(gradients())


def test_the_norm_is_that_of_summed_rows():
    # Two gradients of 3 and 1 for one row of an ordinary variable are one of 4, not of sqrt(10).
    variable = tf.Variable(tf.zeros([3, 1]))
    gradient = tf.IndexedSlices(tf.constant([[3.0], [1.0]]), tf.constant([2, 2]), [3, 1])
    sgd_pair(clip=1.0).apply_gradients([(gradient, variable)])
    np.testing.assert_allclose(variable[:, 0], [0.0, 0.0, -0.5], rtol=1e-6)


def test_on_one_replica_nobody_looks_for_repeated_rows_of_a_table():
    optimizer, table = sgd_pair(), plain_table()
    step = tf.function(lambda gradient: optimizer.apply_gradients([(gradient, table)]))
    graph = step.get_concrete_function(one_row(1.0)).graph
    assert "Unique" not in [op.type for op in graph.get_operations()]


def test_the_learning_rate_is_one_variable_for_both():
    optimizer, table, kernel = sgd_pair(ratio=0.5), plain_table(), tf.Variable([1.0])
    assert optimizer.lr.numpy() == 0.5
    for _ in range(2):
        optimizer.apply_gradients([(one_row(1.0), table), (tf.constant([1.0]), kernel)])
        optimizer.learning_rate = 0.25
    np.testing.assert_allclose(kernel, [1.0 - 0.5 - 0.25])
    np.testing.assert_allclose(table[2], [1.0 - 0.25 - 0.125])


@pytest.mark.parametrize("callback", ["plateau", "scheduler"])
def test_keras_callbacks_lower_both_rates(callback):
    model = small_model.compiled(lambda: make_optimizer(0.01, optimizer="sgd"))
    callbacks = {
        # min_delta: no epoch is better than the first.
        "plateau": tf_keras.callbacks.ReduceLROnPlateau("val_x", 0.1, patience=1, min_delta=9e9),
        "scheduler": tf_keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.1),
    }
    constant = tf_keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(val_x=1.0)
    )
    model.fit(small_model.batches(), epochs=2, verbose=0, callbacks=[constant, callbacks[callback]])
    expected = {"plateau": 0.01 * 0.1, "scheduler": 0.01 * 0.1 * 0.1}[callback]
    np.testing.assert_allclose(model.optimizer.learning_rate.numpy(), expected, rtol=1e-6)
    before = model.head.bias.numpy()
    gradient = [tf.zeros(w.shape) for w in model.head.weights[:1]] + [tf.ones([1])]
    model.optimizer.apply_gradients(zip(gradient, model.head.weights, strict=True))
    np.testing.assert_allclose(before - model.head.bias.numpy(), expected, rtol=1e-2)


@pytest.mark.parametrize("tables", ["lazy_adam", "adam", "rowwise_adagrad"])
def test_a_step_that_is_not_healthy_changes_nothing_but_the_count(tables):
    model = small_model.compiled(
        lambda: make_optimizer(0.1, tables=tables, clip_norm=1.0, schedule="cosine", decay_steps=9)
    )
    ids, labels = next(iter(small_model.batches()))
    model.train_on_batch(ids, labels)
    before = small_model.everything(model)
    model.train_on_batch(ids, labels * np.nan)
    for name, value in small_model.everything(model).items():
        if "iteration" not in name:
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert model.optimizer.iterations.numpy() == 2
    model.train_on_batch(ids, labels)
    assert (model.table.numpy() != before[f"{_position(model)} {model.table.name}"]).any()


def _position(model) -> int:
    return [weight is model.table for weight in model.weights].index(True)


def test_a_table_is_not_made_for_another_optimizer():
    table = packed_table(initial_weights(), RowSlots(per_column=2))
    with pytest.raises(ValueError, match=r"SGD needs.*slots=optimizer.row_slots"):
        sgd_pair().build([table])


@pytest.mark.parametrize(
    "make",
    [
        lambda: NetworkOptimizer(SGD(0.1, global_clipnorm=1.0), SGD(0.1)),
        lambda: NetworkOptimizer(SGD(make_schedule("cosine", 0, 2)), SGD(0.1)),
        lambda: NetworkOptimizer(SGD(0.1), SGD(0.1, weight_decay=0.1)),
    ],
)
def test_inner_optimizers_with_settings_of_the_outer_one_are_refused(make):
    with pytest.raises(ValueError, match="Pass `schedule` and `global_clipnorm`"):
        make()


def test_one_optimizer_twice_or_a_ratio_of_nothing_are_refused():
    sgd = SGD(0.1)
    with pytest.raises(ValueError, match="two objects"):
        NetworkOptimizer(sgd, sgd)
    with pytest.raises(ValueError, match="tables_ratio=0"):
        NetworkOptimizer(SGD(), SGD(), tables_ratio=0.0)


def test_round_trips_through_its_config():
    optimizer = NetworkOptimizer(
        FusedAdam(0.5, beta_1=0.25), LazyAdam(correct_skipped=True), make_schedule("linear", 2, 3),
        2.0, 0.125,
    )  # fmt: skip
    optimizer.learning_rate = 0.25
    table = packed_table(initial_weights(), optimizer.row_slots)
    optimizer.apply_gradients([(slices(*gradients()[0]), table)])  # leaves a rate of 0 behind
    clone = tf_keras.optimizers.deserialize(tf_keras.optimizers.serialize(optimizer))
    assert (clone.learning_rate.numpy(), clone.global_clipnorm, clone.tables_ratio) == (
        0.25, 2.0, 0.125,
    )  # fmt: skip
    assert clone.row_slots == RowSlots(per_column=2, per_row=1)
    assert clone.dense.beta_1 == 0.25
    assert [float(clone.schedule(i)) for i in (1, 5)] == [0.5, float(optimizer.schedule(5))]
