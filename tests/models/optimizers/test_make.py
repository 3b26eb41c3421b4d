"""Optimizers by the names of the configuration."""

import pytest
import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from models.optimizers import FusedAdam, LazyAdam, RowwiseAdagrad, make_optimizer, row_slots_of

DENSE = {
    "adam": FusedAdam,
    "adagrad": tf_keras.optimizers.Adagrad,
    "sgd": tf_keras.optimizers.SGD,
}
TABLES = {"lazy_adam": LazyAdam, "adam": FusedAdam, "rowwise_adagrad": RowwiseAdagrad}


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("dense", DENSE)
def test_names_give_their_optimizers(dense, tables):
    made = make_optimizer(0.5, optimizer=dense, tables=tables, tables_learning_rate=0.125)
    assert type(made.dense) is DENSE[dense]
    assert type(made.tables) is TABLES[tables]
    assert (made.learning_rate.numpy(), made.tables_ratio) == (0.5, 0.25)
    assert made.row_slots == row_slots_of(tables)


def test_every_setting_arrives():
    made = make_optimizer(
        0.5, correct_skipped=True, schedule="linear", warmup_steps=2, decay_steps=4, end=0.5,
        clip_norm=3.0,
    )  # fmt: skip
    assert made.row_slots == row_slots_of("lazy_adam", correct_skipped=True)
    assert made.row_slots.per_row == 1
    assert (made.tables_ratio, made.global_clipnorm) == (1.0, 3.0)
    assert [float(made.schedule(tf.constant(i))) for i in (1, 4, 9)] == [0.5, 0.75, 0.5]
    for inner in (made.dense, made.tables):
        assert (inner.epsilon, inner.adaptive_epsilon) == (1e-8, True)


def test_names_that_nobody_has_are_refused():
    with pytest.raises(ConfigError, match=r"train.optimizer.*'adma'. Did you mean adam"):
        make_optimizer(optimizer="adma")
    with pytest.raises(ConfigError, match=r"train.tables.optimizer.*lazy_adam"):
        row_slots_of("lazyadam")
