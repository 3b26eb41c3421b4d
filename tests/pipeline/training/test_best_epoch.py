"""The best epoch's weights are on the disk, whatever ends the process and when."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import tf_keras

from pipeline.runs.checkpoint_files import checkpoints_in, damage_of
from pipeline.training.best_epoch import BestEpoch
from pipeline.training.monitor import MONITORED


class Killed(BaseException):
    """Stands for the end of a process; nothing catches it."""


@pytest.fixture
def network():
    network = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False)])
    network.compile("sgd", "mse")
    network.build((None, 1))
    return network


def best_epoch(folder: Path, network, steps=10) -> BestEpoch:
    callback = BestEpoch(folder, steps)
    callback.set_model(network)
    return callback


def end_epoch(callback, epoch: int, value: float) -> None:
    callback.model.set_weights([np.full((1, 1), float(epoch))])
    callback.on_epoch_end(epoch, {MONITORED: value})


def saved_epoch(folder: Path, network) -> float:
    (only,) = checkpoints_in(folder)
    assert damage_of(only) is None
    network.load_weights(str(only)).expect_partial()
    return float(network.get_weights()[0][0, 0])


def test_a_better_epoch_takes_the_place_of_the_one_before(tmp_path, network):
    callback = best_epoch(tmp_path, network)
    for epoch, value in enumerate([0.6, 0.7, 0.7, math.nan, 0.65]):
        end_epoch(callback, epoch, value)
    assert callback.best == 0.7
    assert saved_epoch(tmp_path, network) == 1.0
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"step-20"}


def test_an_epoch_done_again_is_not_written_over_itself(tmp_path, network):
    end_epoch(best_epoch(tmp_path, network), 1, 0.7)
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    end_epoch(best_epoch(tmp_path, network), 1, 0.7)  # of a process that continued before it
    assert saved_epoch(tmp_path, network) == 1.0
    assert not any(path.exists() for path in before)


def test_who_is_killed_while_it_writes_has_the_epoch_before(tmp_path, network, monkeypatch):
    callback = best_epoch(tmp_path, network)
    end_epoch(callback, 0, 0.6)

    def kill(*_):
        raise Killed

    monkeypatch.setattr(os, "fsync", kill)
    with pytest.raises(Killed):
        end_epoch(callback, 1, 0.7)
    whole = [each for each in checkpoints_in(tmp_path) if damage_of(each) is None]
    assert whole[-1].name == "step-10"


def test_the_one_before_goes_when_the_new_one_is_on_the_disk(tmp_path, network, monkeypatch):
    callback = best_epoch(tmp_path, network)
    end_epoch(callback, 0, 0.6)
    synced, unlink = set(), Path.unlink
    monkeypatch.setattr(os, "fsync", lambda number: synced.add(os.fstat(number).st_ino))

    def unlink_after(path, *arguments):
        new = {each.stat().st_ino for each in tmp_path.glob("step-20.*")}
        assert new | {tmp_path.stat().st_ino} <= synced
        unlink(path, *arguments)

    monkeypatch.setattr(Path, "unlink", unlink_after)
    end_epoch(callback, 1, 0.7)
    assert saved_epoch(tmp_path, network) == 1.0
