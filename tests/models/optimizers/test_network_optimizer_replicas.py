"""Two replicas take the steps of one, and checkpoints bring back every number."""

import numpy as np
import pytest
import tensorflow as tf

from models.optimizers import make_optimizer
from tests.models.optimizers import small_model
from tests.models.optimizers.small_model import batches, compiled, everything

TABLES = ["lazy_adam", "adam", "rowwise_adagrad"]


def settings(tables: str):
    return lambda: make_optimizer(
        0.1,
        tables=tables,
        tables_learning_rate=0.05,
        correct_skipped=tables == "lazy_adam",
        schedule="cosine",
        warmup_steps=2,
        decay_steps=20,
        clip_norm=0.5,  # below the norm: the clip must see rows of both replicas summed
    )


@pytest.mark.parametrize("tables", TABLES)
def test_two_replicas_reach_the_state_of_one(tables, two_replicas):
    one, two = compiled(settings(tables)), compiled(settings(tables), two_replicas)
    one.fit(batches(6), verbose=0)
    two.fit(batches(6), verbose=0)
    a, b = everything(one), everything(two)
    assert len(a) == len(b)
    for (name, x), y in zip(a.items(), b.values(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6, err_msg=name)
    for variable in two.trainable_variables:
        np.testing.assert_array_equal(*[part.numpy() for part in variable.values])


def test_two_replicas_leave_out_the_step_that_one_of_them_cannot_take(two_replicas):
    model = compiled(settings("lazy_adam"), two_replicas)
    model.fit(batches(3), verbose=0)
    before = everything(model)
    bad = batches(1, seed=1).map(
        lambda ids, labels: (ids, tf.concat([labels[:-1], [np.nan]], axis=0))
    )
    model.fit(bad, verbose=0)
    for name, value in everything(model).items():
        if "iteration" not in name:
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert model.optimizer.iterations.numpy() == 4


def _save_checkpoint(model, path):
    return tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(f"{path}/c")


def _restore_checkpoint(model, path):
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    checkpoint.restore(tf.train.latest_checkpoint(path)).assert_existing_objects_matched()


SAVES = {
    "checkpoint": (_save_checkpoint, _restore_checkpoint),
    "save_weights": (
        lambda model, path: model.save_weights(f"{path}/w"),
        lambda model, path: model.load_weights(f"{path}/w"),
    ),
}


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("built", [False, True])
def test_a_resumed_run_is_the_undisturbed_one_bit_by_bit(tables, how, built, tmp_path):
    save, restore = SAVES[how]
    undisturbed = compiled(settings(tables))
    undisturbed.fit(batches(4), verbose=0)
    undisturbed.optimizer.learning_rate = 0.075  # as ReduceLROnPlateau does
    at_save = everything(undisturbed)
    save(undisturbed, str(tmp_path))
    undisturbed.fit(batches(4, seed=1), verbose=0)

    resumed = compiled(settings(tables))
    if built:  # slots exist before the checkpoint is read
        resumed.fit(batches(1, seed=2), verbose=0)
    restore(resumed, str(tmp_path))
    if built:
        for (name, x), y in zip(at_save.items(), everything(resumed).values(), strict=True):
            np.testing.assert_array_equal(x, y, err_msg=name)
    resumed.fit(batches(4, seed=1), verbose=0)
    expected, received = everything(undisturbed), everything(resumed)
    for (name, x), y in zip(expected.items(), received.values(), strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)
    assert resumed.optimizer.iterations.numpy() == 8


def test_replicas_resume_from_the_checkpoint_of_one(two_replicas, tmp_path):
    one = compiled(settings("lazy_adam"))
    one.fit(batches(4), verbose=0)
    _save_checkpoint(one, str(tmp_path))
    two = compiled(settings("lazy_adam"), two_replicas)
    _restore_checkpoint(two, str(tmp_path))
    one.fit(batches(3, seed=1), verbose=0)
    two.fit(batches(3, seed=1), verbose=0)
    for (name, x), y in zip(everything(one).items(), everything(two).values(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6, err_msg=name)


def test_every_number_that_training_changes_is_among_the_variables():
    model = compiled(settings("adam"))
    model.fit(batches(2), verbose=0)
    shapes = sorted(tuple(v.shape) for v in model.optimizer.variables)
    table, kernel = (small_model.ROWS, small_model.WIDTH), (small_model.WIDTH, 1)
    assert shapes == sorted([(), *[table] * 2, *[kernel] * 2, *[(1,)] * 2])
