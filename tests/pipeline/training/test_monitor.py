"""The monitored value, and how long training waits for a better one."""

import math
from types import SimpleNamespace

import pytest

from features.errors import ConfigError
from pipeline.config.run_config import TrainConfig
from pipeline.training.monitor import MONITORED, Patience, monitored


def stops_after(values, losses, patience=2, patience_steps=0, steps_per_epoch=10):
    """Number of epochs that a training of these values has."""
    callback = Patience(patience, patience_steps, steps_per_epoch)
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, (value, loss) in enumerate(zip(values, losses, strict=True)):
        callback.on_epoch_end(epoch, {MONITORED: value, "logloss": loss})
        if model.stop_training:
            return epoch + 1
    return None


FLAT = [0.5] * 8


def test_logloss_counts_negatively_and_what_is_not_defined_not_at_all():
    metrics = {"auc": 0.7, "logloss": 0.5, "gauc": math.nan}
    assert monitored(metrics, {"auc": 2.0, "logloss": 0.5}) == pytest.approx(1.15)
    assert monitored(metrics, {"gauc": 1.0, "logloss": 1.0}) == -0.5
    assert math.isnan(monitored(metrics, {"gauc": 1.0}))


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 5)])
def test_epochs_without_a_better_value_end_a_training(patience, epochs):
    assert stops_after([0.1, 0.3, 0.2, 0.2, 0.2, 0.4], FLAT[:6], patience) == epochs


def test_a_plateau_is_given_twice_the_time_while_the_training_loss_falls():
    falling = [0.5 - 0.01 * epoch for epoch in range(8)]
    plateau = [0.3, *[0.2995] * 7]
    assert stops_after(plateau, FLAT) == 3
    assert stops_after(plateau, falling) == 5
    overfitted = [0.3, *[0.28] * 7]
    assert stops_after(overfitted, falling) == 3
    slowly = [0.5 - 0.0001 * epoch for epoch in range(8)]
    assert stops_after(plateau, slowly) == 3


def test_short_epochs_do_not_end_a_training_before_its_steps():
    values = [0.3, *[0.1] * 7]
    assert stops_after(values, FLAT, patience_steps=50) == 6
    assert stops_after(values, FLAT, patience_steps=50, steps_per_epoch=100) == 3


def test_a_value_that_is_no_number_is_no_better_one():
    assert stops_after([0.1, math.nan, math.nan], FLAT[:3]) == 3


def test_a_metric_alone_stands_by_its_name_and_an_unknown_one_is_refused():
    assert TrainConfig(monitor="logloss").monitor == {"logloss": 1.0}
    for wrong in ("accuracy", {}, {"auc": 0.0}):
        with pytest.raises((ConfigError, ValueError), match="monitor"):
            TrainConfig(monitor=wrong)
