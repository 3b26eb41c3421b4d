"""What happens beside the steps."""

import logging

import pytest
import tensorflow as tf

from features.errors import TrainingError
from pipeline.training.callbacks import (
    ConstantPredictions,
    DivergenceGuard,
    Progress,
    TimeLimit,
    Validation,
    duration,
    shown,
)


class Diverged:
    """Stands for a network: what the guard asks of one."""

    def __init__(self, diverged):
        self.diverged = diverged
        self.optimizer = type("Optimizer", (), {"learning_rate": tf.Variable(0.5)})()

    def divergence(self):
        return self.diverged


def test_a_training_ends_when_its_time_is_over_and_says_so_once(monkeypatch, caplog):
    now = [100.0]
    monkeypatch.setattr("pipeline.training.callbacks.time.monotonic", lambda: now[0])
    callback = TimeLimit(5.0)
    callback.set_model(type("Model", (), {"stop_training": False})())
    callback.on_train_begin()
    now[0] = 104.9
    callback.on_train_batch_end(0)
    assert not callback.model.stop_training
    now[0] = 105.0
    for step in (1, 2):
        callback.on_train_batch_end(step)
        assert callback.model.stop_training
    assert caplog.messages == ["train.max_seconds=5 are over: training ends here"]


def guard(diverged, checkpoint: str | None, every_seconds=0.0) -> DivergenceGuard:
    callback = DivergenceGuard(lambda: checkpoint, every_seconds)
    callback.set_model(Diverged(diverged))
    return callback


@pytest.mark.parametrize("event", ["on_train_batch_end", "on_epoch_end"])
def test_the_guard_names_term_step_rate_and_the_last_good_checkpoint(event):
    with pytest.raises(
        TrainingError,
        match=r"co_teaching became nan or infinite at step 1,240 \(train.learning_rate=0.5\). "
        r"Last good checkpoint: runs/a/last. Lower",
    ):
        getattr(guard(("co_teaching", 1240), "runs/a/last"), event)(0, {})


def test_the_guard_says_when_there_is_no_checkpoint():
    with pytest.raises(TrainingError, match="No checkpoint yet"):
        guard(("logloss", 1), None).on_epoch_end(0, {})


def test_the_guard_lets_finite_losses_pass():
    guard(None, None).on_epoch_end(0, {})


def test_the_guard_looks_no_more_often_than_it_was_told():
    callback = guard(None, None, every_seconds=1000.0)
    callback.on_train_batch_end(0)
    callback.model.diverged = ("logloss", 2)
    callback.on_train_batch_end(1)  # too early to look
    with pytest.raises(TrainingError):
        callback.on_epoch_end(0)  # always looks: a checkpoint is about to be written


def test_validation_metrics_join_the_logs_of_the_epoch():
    logs = {"loss": 1.0}
    Validation(lambda: {"val_auc": 0.7}).on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "val_auc": 0.7}


ONE_NUMBER = {"val_auc": 0.5, "val_spread": 2e-7, "val_spread_deep": 0.0, "val_dead_units_deep": 8}


def constant_guard() -> ConstantPredictions:
    callback = ConstantPredictions()
    callback.set_model(type("Network", (), {"stop_training": False})())
    return callback


def test_a_network_of_one_number_is_an_error_after_the_first_epoch():
    with pytest.raises(
        TrainingError,
        match=r"same of every validation row after epoch 1: its logits differ by 2e-07 at most "
        r"\(dead units of the branches' last layers: deep 8\).*warmup_steps=100",
    ):
        constant_guard().on_epoch_end(0, ONE_NUMBER)


def test_later_it_ends_training_and_keeps_the_best_epoch(caplog):
    callback = constant_guard()
    callback.on_epoch_end(3, ONE_NUMBER)
    assert callback.model.stop_training
    assert "after epoch 4" in caplog.text


@pytest.mark.parametrize("change", [{"val_spread": 1e-3}, {"val_auc": float("nan")}])
def test_predictions_that_differ_and_labels_of_one_class_pass(change, caplog):
    callback = constant_guard()
    callback.on_epoch_end(0, {**ONE_NUMBER, "val_spread_deep": 1.0, **change})
    assert not callback.model.stop_training
    assert not caplog.records


def test_a_branch_of_one_number_is_named_once(caplog):
    callback = constant_guard()
    for epoch in range(3):
        callback.on_epoch_end(epoch, {**ONE_NUMBER, "val_spread": 1.0})
    (record,) = caplog.records
    assert "branch deep says the same of every validation row after epoch 1" in record.getMessage()
    assert not callback.model.stop_training


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.69314, "0.6931"),
        (0.0693, "0.0693"),
        (0.00001234, "1.23e-05"),
        (0, "0"),
        (-0.01, "-0.0100"),
    ],
)
def test_small_numbers_have_three_significant_digits(value, text):
    assert shown(value) == text


def test_what_stands_beside_the_terms_is_in_the_line_of_an_epoch_alone(caplog):
    beside = ("share", "distance_a_b", "distance_a_c")
    progress = Progress(10, 1, 5, every_seconds=1e-9, beside=beside, branch_names=("a", "b", "c"))
    logs = {"logloss": 0.5, "share": 0.0312, "distance_a_b": 4.0, "distance_a_c": 5.0}
    of_branches = {"val_correlation_a_b": 0.997, "val_correlation_a_c": 0.4}
    of_branches |= {"val_dead_units_a": 3.0, "val_dead_units_b": 2.0, "val_saturated_units_a": 0.0}
    with caplog.at_level(logging.INFO):
        progress.on_train_begin()
        progress.on_epoch_begin(0)
        progress.on_train_batch_end(0, logs)
        progress.on_train_batch_end(1, logs)
        progress.on_epoch_end(0, {**logs, "val_logloss": 0.5, "val_auc": 0.7, **of_branches})
    step, _, told = (record.getMessage() for record in caplog.records)
    assert "logloss 0.5000  " in step
    assert not any(name in step for name in beside)
    assert told == "epoch 1/1  share 0.0312  dead_units 5  least correlation 0.4000"


def test_progress_counts_examples_of_the_steps_since_its_last_line(monkeypatch, caplog):
    clock = iter([0.0, 7.0, 12.0, 17.0, 27.0, 27.0, 30.0])
    monkeypatch.setattr("pipeline.training.callbacks.time.monotonic", lambda: next(clock))
    progress = Progress(steps_per_epoch=100, epochs=3, batch_size=50, every_seconds=10.0)
    with caplog.at_level(logging.INFO):
        progress.on_train_begin()
        progress.on_epoch_begin(1)  # at 0 s
        progress.on_train_batch_end(0, {"logloss": 0.7})  # at 7 s: it compiled
        progress.on_train_batch_end(9, {"logloss": 0.5})  # at 12 s: too early for a line
        progress.on_train_batch_end(20, {"logloss": 0.5})  # at 17 s: 20 steps in 10 s
        progress.on_train_batch_end(60, {"logloss": 0.25})  # at 27 s: 40 steps in 10 s
        progress.on_train_batch_end(99, {"logloss": 0.25})
        progress.on_epoch_end(1, {"logloss": 0.2, "val_logloss": 0.3, "val_auc": 0.75})
    first, second, last = (record.getMessage() for record in caplog.records)
    assert first == ("epoch 2/3  step 21/100  logloss 0.5000  100 examples/s  epoch ends in 40s")
    assert second.endswith("200 examples/s  epoch ends in 10s")
    assert last == (
        "epoch 2/3  logloss 0.2000  valid: logloss 0.3000  auc 0.7500  "
        "248 examples/s  30s, at most 30s left"  # 99 steps of 50 in the 20 s after the first
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.6, "1m00s"), (260, "4m20s"), (7260, "2h01m"), (float("inf"), "?")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
