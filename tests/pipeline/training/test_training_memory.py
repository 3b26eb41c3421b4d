"""Memory of tables: bytes by hand, and the refusal before anything is created."""

import pytest
import tensorflow as tf

from features.errors import ConfigError
from features.inputs import InputSpec
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.embeddings.row_slots import TableRows
from models.optimizers import make_optimizer, mark_table, row_slots_of
from pipeline.training.training_memory import (
    check_tables_fit,
    memory_of,
    tables_bytes,
)

INPUTS = (
    InputSpec("user", "categorical", "user", 70),
    InputSpec("item", "categorical", "item", 30),
    InputSpec("age", "numeric"),
)
LAYOUT = EmbeddingLayout(INPUTS, 4, num_sets=2, first_order=[0])


@pytest.mark.parametrize(
    ("optimizer", "correct_skipped", "numbers"),
    [
        ("lazy_adam", False, 3 * 9),
        ("lazy_adam", True, 3 * 9 + 1),
        ("adam", False, 3 * 9),
        ("rowwise_adagrad", False, 9 + 3),  # one for each segment: two sets, a first order
    ],
)
def test_a_row_takes_its_weights_and_the_optimizers_state(optimizer, correct_skipped, numbers):
    slots = row_slots_of(optimizer, correct_skipped)
    assert tables_bytes(LAYOUT, slots, optimizer) == 100 * numbers * 4


@pytest.mark.parametrize("optimizer", ["lazy_adam", "adam", "rowwise_adagrad"])
def test_tables_take_the_bytes_that_were_told(optimizer):
    slots = row_slots_of(optimizer)
    told = tables_bytes(LAYOUT, slots, optimizer)
    layer = EmbeddingBank(LAYOUT, slots=slots)
    layer.build()
    network = make_optimizer(tables=optimizer)
    network.build(layer.trainable_weights)
    beside = [v for v in network.variables if v.shape.rank == 2 and v.shape[0] == 100]
    received = [layer.tables[0].table, *beside]
    assert sum(v.shape.num_elements() * 4 for v in received) == told
    memory = memory_of(layer.trainable_weights, "adam", optimizer, available=10**9)
    assert memory.tables == told
    assert memory.rows == 100
    assert memory.dense == 3 * 4 * 9  # the value's projection and its moments
    assert memory_of(layer.trainable_weights, "sgd", optimizer, 1).dense == 4 * 9


def test_the_line_names_what_is_counted():
    table, kernel = tf.Variable(tf.zeros((2000, 30))), tf.Variable(tf.zeros((10, 5)))
    mark_table(table, TableRows((10,), row_slots_of("lazy_adam")))
    line = str(memory_of([table, kernel], "adam", "lazy_adam", 16 * 10**9))
    assert line == (
        "memory: tables 240 kB (2,000 rows, with the optimizer's state), other weights 600 B "
        "(likewise), of 16 GB available; activations, gradients and input come on top"
    )


def test_tables_that_cannot_fit_are_refused_before_they_are_created():
    slots = row_slots_of("lazy_adam")
    check_tables_fit(LAYOUT, slots, "lazy_adam", available=100 * 27 * 4)
    with pytest.raises(ConfigError) as error:
        check_tables_fit(LAYOUT, slots, "lazy_adam", available=100 * 27 * 4 - 1)
    assert str(error.value) == (
        "the embedding tables need 11 kB (100 rows with the state of lazy_adam), and 11 kB are "
        "available. Give the vocabularies fewer entries by min_count (the largest, user, has 70), "
        "lower embedding.embedding_dim, share rows by embedding.compressed, or use "
        "tables.optimizer rowwise_adagrad."
    )


def test_every_replica_has_its_copy():
    slots = row_slots_of("rowwise_adagrad")
    with pytest.raises(ConfigError, match=r"rowwise_adagrad, 2 times.*share rows by [a-z.]*.$"):
        check_tables_fit(LAYOUT, slots, "rowwise_adagrad", 9599, copies=2)
    check_tables_fit(LAYOUT, slots, "rowwise_adagrad", 9600, copies=2)


def test_vocabularies_beyond_any_memory_are_refused_at_once():
    huge = EmbeddingLayout([InputSpec("user", "categorical", "user", 2**31 - 1)], 64)
    with pytest.raises(ConfigError, match=r"need 1\.6 TB"):
        check_tables_fit(huge, None, "adam", available=10**12)


def test_a_bank_without_vocabularies_fits():
    check_tables_fit(EmbeddingLayout([InputSpec("age", "numeric")], 4), None, "adam", available=0)
