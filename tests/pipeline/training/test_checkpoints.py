"""A training that is interrupted ends with the very numbers of one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from features.errors import ConfigError
from pipeline.config.run_config import RunConfig
from pipeline.runs.checkpoint_files import checkpoints_in, latest_checkpoint
from pipeline.runs.run_dir import RunDir
from pipeline.training.callbacks import DivergenceGuard
from pipeline.training.train import load_network, train

ROOT = Path(__file__).parents[3]
STEPS = 16


class Killed(BaseException):
    """Stands for the end of a process; nothing catches it."""


def configured(bundle, **settings) -> RunConfig:
    """A network with dropout and batch normalisation."""
    return RunConfig.model_validate(content(bundle, **settings))


def content(bundle, **settings) -> dict:
    features = bundle.metadata.features.model_dump(mode="json", exclude_defaults=True)
    for name in features["features"]:
        features["features"][name].pop("name", None)
    return {
        **features,
        "data": {"source": bundle.metadata.source},
        "model": {
            "embedding": {"embedding_dim": 4, "stddev": 0.1},
            "branches": {"deep": {"units": [8], "dropout": 0.3, "batch_norm": True}},
            "alignment": {"type": "shared_mlp", "units": [8], "dropout": 0.2},
            "cooperation": {},
        },
        "train": {
            "batch_size": 64,
            "epochs": 3,
            "patience": 5,
            "learning_rate": 0.02,
            "checkpoint_seconds": 1e-6,
            "reduce_on_plateau": {"patience": 1, "min_delta": 0.5},
            "schedule": {"warmup_steps": 5},
            **settings,
        },
    }


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle(rows={"train": 1000, "valid": 300, "test": 50}, block_rows=128)[0]


def undisturbed(bundle, path: Path, **settings):
    config, run = configured(bundle, **settings), RunDir(path)
    run.begin(config, bundle)
    return train(config, bundle, run)


@pytest.fixture(scope="module")
def expected(bundle, tmp_path_factory):
    return undisturbed(bundle, tmp_path_factory.mktemp("runs") / "undisturbed")


def interrupted(bundle, run: RunDir, moment: tuple[int, int], monkeypatch, **settings):
    """Trains until (epoch, batch), as far as a killed process would have come."""
    config = configured(bundle, **settings)

    def kill(guard, batch, logs=None):
        if (int(guard.model.optimizer.iterations.numpy()) - 1) // STEPS >= moment[
            0
        ] and batch >= moment[1]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DivergenceGuard, "on_train_batch_end", kill)
        with pytest.raises(Killed):
            train(config, bundle, run, resume=True)


def assert_equal(received, expected):
    assert received.history == expected.history
    assert received.best_epoch == expected.best_epoch
    for a, b in zip(received.network.weights, expected.network.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.name)


def test_a_training_interrupted_twice_is_bit_exact(bundle, expected, tmp_path, monkeypatch, caplog):
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle), bundle)
    interrupted(bundle, run, (0, 7), monkeypatch)
    interrupted(bundle, run, (1, 3), monkeypatch)
    with caplog.at_level("INFO"):
        received = train(configured(bundle), bundle, run, resume=True)
    assert "epoch 2/3, step 3/16" in caplog.text
    assert_equal(received, expected)


def test_strides_of_steps_resume_at_their_ends(bundle, expected, tmp_path, monkeypatch):
    settings = {"steps_per_execution": 5}
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle, **settings), bundle)
    interrupted(bundle, run, (1, 9), monkeypatch, **settings)
    assert latest_checkpoint(run.last_checkpoint).name == f"step-{STEPS + 5}"
    received = train(configured(bundle, **settings), bundle, run, resume=True)
    # Strides change nothing but how often callbacks look.
    assert_equal(received, expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adagrad", "tables": {"optimizer": "rowwise_adagrad"}},
        {"tables": {"optimizer": "adam"}},
    ],
    ids=["adagrad", "dense_adam"],
)
def test_every_optimizer_keeps_its_state(bundle, tmp_path, monkeypatch, settings):
    settings = {**settings, "epochs": 1}
    expected = undisturbed(bundle, tmp_path / "undisturbed", **settings)
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle, **settings), bundle)
    interrupted(bundle, run, (0, 5), monkeypatch, **settings)
    assert_equal(train(configured(bundle, **settings), bundle, run, resume=True), expected)


def test_what_had_ended_is_not_trained_further(bundle, expected, tmp_path, monkeypatch):
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle), bundle)
    train(configured(bundle), bundle, run)
    received = train(configured(bundle), bundle, run, resume=True)
    assert_equal(received, expected)


def test_an_early_stop_holds_after_an_interruption(bundle, tmp_path, monkeypatch):
    """The process dies after the last epoch, before its end is noted."""
    values = iter([0.7, 0.6, 0.5, 0.9, 0.9])
    monkeypatch.setattr(
        "pipeline.evaluation.scores.Scores.training_metrics",
        lambda self: {"auc": next(values), "logloss": 0.5},
    )
    config, run = configured(bundle, epochs=5, patience=2), RunDir(tmp_path / "run")
    run.begin(config, bundle)
    train(config, bundle, run)
    assert train(config, bundle, run, resume=True).history["val_auc"] == [0.7, 0.6, 0.5]


def test_a_checkpoint_of_another_run_is_not_continued(bundle, tmp_path, monkeypatch):
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle), bundle)
    interrupted(bundle, run, (0, 7), monkeypatch)
    other = configured(bundle, seed=1, epochs=1)
    run.begin(other, bundle)
    assert_equal(
        train(other, bundle, run, resume=True),
        undisturbed(bundle, tmp_path / "other", seed=1, epochs=1),
    )


def test_only_an_interrupted_training_of_the_same_settings_continues(bundle, tmp_path, monkeypatch):
    config, run = configured(bundle), RunDir(tmp_path / "run")
    assert not run.can_continue(config, bundle)
    run.begin(config, bundle)
    assert not run.can_continue(config, bundle)  # no checkpoint yet
    interrupted(bundle, run, (0, 2), monkeypatch)
    assert run.can_continue(config, bundle)
    assert run.can_continue(configured(bundle, checkpoint_seconds=9.0), bundle)
    assert not run.can_continue(configured(bundle, learning_rate=0.01), bundle)
    run.finish("train")
    assert not run.can_continue(config, bundle)


def test_what_a_killed_process_left_half_written_is_removed(
    bundle, expected, tmp_path, monkeypatch
):
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle), bundle)
    interrupted(bundle, run, (0, 7), monkeypatch)
    (run.last_checkpoint / "step-8_temp").mkdir()
    (run.last_checkpoint / "step-8_temp" / "part-00000").write_text("half")
    (run.last_checkpoint / "step-8.data-00000-of-00001").write_text("half")
    assert_equal(train(configured(bundle), bundle, run, resume=True), expected)
    assert not list(run.last_checkpoint.rglob("step-8*"))


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    bundle, expected, tmp_path, monkeypatch, caplog
):
    run = RunDir(tmp_path / "run")
    run.begin(configured(bundle), bundle)
    interrupted(bundle, run, (0, 7), monkeypatch)
    last, before = checkpoints_in(run.last_checkpoint)
    os.truncate(f"{last}.data-00000-of-00001", 1000)
    with caplog.at_level("INFO"):
        received = train(configured(bundle), bundle, run, resume=True)
    assert f"{last} is damaged: " in caplog.text
    assert f"continues from {before}: epoch 1/3" in caplog.text
    assert_equal(received, expected)


def test_a_training_without_a_checkpoint_to_go_on_from_or_back_to_says_so(
    bundle, tmp_path, monkeypatch
):
    config, run = configured(bundle), RunDir(tmp_path / "run")
    run.begin(config, bundle)
    interrupted(bundle, run, (1, 3), monkeypatch)
    index = run.best_checkpoint.with_suffix(".index")
    index.rename(index.with_suffix(".away"))
    with pytest.raises(ConfigError, match=r"best, the best epoch so far.*no index.*--restart"):
        train(config, bundle, run, resume=True)
    index.with_suffix(".away").rename(index)
    for path in run.last_checkpoint.glob("*.data-*"):
        os.truncate(path, 1000)
    with pytest.raises(ConfigError, match=r"step-\d+ is damaged: .*begin again with --restart"):
        train(config, bundle, run, resume=True)
    for path in run.best_checkpoints.glob("*.data-*"):
        os.truncate(path, 1000)
    with pytest.raises(
        ConfigError, match=r"no checkpoint at .*step-\d+ that can be read.*--restart"
    ):
        load_network(config, bundle, run)


def start_job(folder: Path, bundle_path: str) -> subprocess.Popen:
    arguments = ["train", "--config=config.yaml", f"--bundle={bundle_path}", "--out=run"]
    with (folder / "log.txt").open("ab") as log:  # which the process holds open for itself
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )


@pytest.mark.slow
def test_a_process_killed_at_a_random_moment_ends_with_the_same_numbers(bundle, tmp_path):
    # Steps are so short that checkpoints at each of them make up most of the time.
    settings = content(bundle, epochs=2, batch_size=16)
    folders = [tmp_path / "undisturbed", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    assert start_job(folders[0], bundle.path).wait(timeout=300) == 0, log_of(folders[0])
    rng, last = random.Random(time.time_ns()), folders[1] / "run" / "checkpoints" / "last"
    job = start_job(folders[1], bundle.path)
    while latest_checkpoint(last) is None and job.poll() is None:
        time.sleep(0.05)  # until it trains
    time.sleep(rng.uniform(0.0, 0.5))
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert start_job(folders[1], bundle.path).wait(timeout=300) == 0, log_of(folders[1])
    assert "continues from" in log_of(folders[1])
    expected, received = (
        json.loads((folder / "run" / "metrics.json").read_text()) for folder in folders
    )
    assert received["training"]["history"] == expected["training"]["history"]
    assert received["evaluation"] == expected["evaluation"]
    best = [
        tf.train.load_checkpoint(str(RunDir(folder / "run").best_checkpoint)) for folder in folders
    ]
    for name in best[0].get_variable_to_shape_map():
        if name.endswith("VARIABLE_VALUE"):
            a, b = (each.get_tensor(name) for each in best)
            np.testing.assert_array_equal(a, b, err_msg=name)


def log_of(folder: Path) -> str:
    return (folder / "log.txt").read_text()
