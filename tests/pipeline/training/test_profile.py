"""The profile of chosen steps: it is there, and it holds those steps."""

import logging

import pytest
import tensorflow as tf
import tf_keras
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from features.errors import ConfigError
from pipeline.training.profile import Profile


def fitted(callback: Profile, epochs: int = 2, **settings) -> None:
    model = tf_keras.Sequential([tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse", **settings)
    data = tf.data.Dataset.from_tensors((tf.zeros((4, 3)), tf.zeros((4, 1)))).repeat()
    model.fit(data, epochs=epochs, steps_per_epoch=12, callbacks=[callback], verbose=0)


def executions(folder) -> int:
    """Calls of the training function in the one profile of a folder."""
    (path,) = (folder / "plugins" / "profile").rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    return sum(
        plane.event_metadata[event.metadata_id].name == "train_function"
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    )


@pytest.mark.parametrize(("steps", "expected"), [((2, 4), 3), ((10, 15), 6), ((5, 5), 1)], ids=str)
def test_the_profile_holds_the_steps_that_were_asked_for(tmp_path, caplog, steps, expected):
    with caplog.at_level(logging.INFO, "pipeline.training.profile"):
        fitted(Profile(tmp_path, steps))
    assert executions(tmp_path) == expected
    assert caplog.messages[0].startswith(f"profile of steps {steps[0]} to {steps[1]}: tensorboard")


def test_whole_executions_are_profiled(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "pipeline.training.profile"):
        fitted(Profile(tmp_path, (6, 9), steps_per_execution=4), steps_per_execution=4)
    assert executions(tmp_path) == 2
    assert "steps 5 to 12" in caplog.text


def test_training_that_ends_too_early_says_so(tmp_path, caplog):
    fitted(Profile(tmp_path, (30, 40)))
    assert caplog.messages == [
        "no profile: training ended at step 24, before train.profile_steps=[30, 40]"
    ]
    assert not list(tmp_path.iterdir())


def test_a_profile_ends_with_training(tmp_path):
    fitted(Profile(tmp_path, (23, 99)))
    assert executions(tmp_path) == 2


@pytest.mark.parametrize("steps", [(0, 3), (5, 4)])
def test_steps_must_follow_each_other(tmp_path, steps):
    with pytest.raises(ConfigError, match=r"Received: \[\d, \d\]. Steps count from 1"):
        Profile(tmp_path, steps)
