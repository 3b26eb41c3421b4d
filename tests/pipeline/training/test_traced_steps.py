"""A real training whose steps are traced."""

import logging

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.network import CooperativeNetwork
from models.network.cost import flops_per_example
from models.optimizers import make_optimizer, row_slots_of
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from pipeline.training.step_time import StepTime
from pipeline.training.traced_steps import TracedSteps
from pipeline.training.utilization import product_rate, utilization


def network() -> CooperativeNetwork:
    built = build_network(
        NetworkConfig(
            embedding={"embedding_dim": 4},
            branches={"deep": {"units": [8]}, "other": {"type": "deep", "units": [8]}},
        ),
        (
            InputSpec("user", "categorical", "user", 50),
            InputSpec("item", "categorical", "item", 50),
        ),
        {},
        slots=row_slots_of("lazy_adam"),
    )
    built.compile(make_optimizer(clip_norm=1.0), weighted_metrics=[])
    return built


def batches(rows: int = 16) -> tf.data.Dataset:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (2, 40 * rows)).astype("int32")
    labels = rng.integers(0, 2, 40 * rows)
    columns = {"user": ids[0], "item": ids[1]}
    return tf.data.Dataset.from_tensor_slices((columns, labels)).batch(rows).repeat()


def test_a_training_is_measured_once(caplog):
    model = network()
    callback = TracedSteps(12, batch_size=16, steps=4, first=6)
    with caplog.at_level(logging.INFO, "pipeline.training.traced_steps"):
        model.fit(batches(), epochs=2, steps_per_epoch=12, callbacks=[callback], verbose=0)
    assert caplog.messages == [str(callback.measured), str(callback.utilization)]
    shares = callback.measured.shares
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares[part] for part in ("branches", "fusion", "tables", "optimizer")) > 0.0
    assert callback.measured.milliseconds > 0.0
    assert set(callback.measured.branches) == {"deep", "other"}
    assert set(callback.utilization.branches) == {"deep", "other"}
    assert callback.utilization.step > 0.0


def test_an_epoch_that_is_too_short_is_left_alone():
    callback = TracedSteps(4, batch_size=16)
    network().fit(batches(), epochs=2, steps_per_epoch=4, callbacks=[callback], verbose=0)
    assert callback.measured is None
    tf.profiler.experimental.start("unused")  # nothing else is running
    tf.profiler.experimental.stop(save=False)


def test_another_profile_is_not_disturbed(tmp_path):
    class Traced(tf_keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            tf.profiler.experimental.start(str(tmp_path))

    callback = TracedSteps(12, batch_size=16, first=4)
    callbacks = [Traced(), callback]
    network().fit(batches(), steps_per_epoch=12, callbacks=callbacks, verbose=0)
    tf.profiler.experimental.stop()
    assert callback.measured is None
    assert list(tmp_path.rglob("*.xplane.pb"))


def test_utilization_is_that_of_the_products_of_a_step():
    # Each branch multiplies 2 fields of width 4 by a kernel of 8 units.
    model = network()
    measured = StepTime(10.0, {}, "", {"deep": 0.5, "other": 0.25})
    found = utilization(model, measured, batch_size=100, rate=1e6)
    one_branch = 3 * 2 * (8 * 8) * 100
    assert found.branches == pytest.approx(
        {"deep": one_branch / (0.005 * 1e6), "other": one_branch / (0.0025 * 1e6)}
    )
    assert found.step == pytest.approx(3 * flops_per_example(model) * 100 / (0.010 * 1e6))
    assert found.step > 2 * one_branch / (0.010 * 1e6)  # the shared top and the heads count too
    assert str(found).startswith("MFU ")
    assert found.summary()["gflops_per_second"] == 0.0


def test_the_rate_of_products_is_one_a_processor_can_have():
    assert 1e8 < product_rate("float32") < 1e14
