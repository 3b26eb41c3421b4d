"""Training over processes: as one process does it, rows of tables instead of tables, PS."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from features.errors import ConfigError
from pipeline.training import strategy as strategies
from pipeline.training.strategy import join_cluster, training_strategy
from pipeline.training.supervise import free_ports, supervise
from serving.exporting.fresh_process import environment
from tests.pipeline.training import cluster_processes
from tests.pipeline.training.cluster_processes import BATCH, STEPS, batches, network
from tests.waiting import wait_until

PROCESS = [sys.executable, "-m", cluster_processes.__name__]


def _listening(port: int) -> socket.socket:
    return socket.create_server(("localhost", port), backlog=100)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """Folder that two workers wrote to, the oracle's network after the same steps, its losses."""
    folder = tmp_path_factory.mktemp("workers")
    one = network()
    np.savez(folder / "initial.npz", *one.get_weights())
    losses = one.fit(batches(), steps_per_epoch=STEPS, verbose=0).history
    command = [*PROCESS, "multi_worker", str(folder)]
    saved = dict(os.environ)
    os.environ.update(environment(), TF_CPP_MIN_LOG_LEVEL="3")
    try:
        assert supervise(command, workers=2, max_restarts=0) == 0
    finally:
        os.environ.clear()
        os.environ.update(saved)
    return folder, one, losses


@pytest.mark.slow
def test_two_workers_train_as_one_process_does(two_workers):
    folder, one, losses = two_workers
    for worker in (0, 1):
        with np.load(folder / f"worker{worker}.npz") as weights:
            for name, expected in zip(weights.files, one.get_weights(), strict=True):
                np.testing.assert_allclose(weights[name], expected, rtol=2e-4, atol=2e-5)
        result = json.loads((folder / f"worker{worker}.json").read_text())
        for term, values in losses.items():
            np.testing.assert_allclose(
                result["losses"][term], values, rtol=1e-4, atol=1e-6, err_msg=term
            )
        expected = one.predict(batches(), verbose=0)["logit"]
        np.testing.assert_allclose(result["logits"], expected, rtol=1e-3, atol=1e-4)
    written = {each.name for each in folder.glob("checkpoint*")}
    assert written == {"checkpoint", "checkpoint.index", "checkpoint.data-00000-of-00001"}


@pytest.mark.slow
def test_gradients_of_tables_cross_processes_as_rows(two_workers):
    folder, one, _ = two_workers
    sent = json.loads((folder / "worker0.json").read_text())["sent"]
    tables = [each for each in one.trainable_variables if "/table" in each.name]
    weights = (
        4 * one.embeddings.layout.num_sets
    )  # columns of a row, without the optimizer's moments
    assert tables
    assert tables[0].shape[1] == 3 * weights
    gathered = [shape for op, shape in sent if op.startswith("CollectiveGather")]
    assert [-1, weights] in gathered, "rows of the table, weights only"
    # All dense gradients travel in one piece, and nothing else is of their size.
    dense = sum(each.shape.num_elements() for each in one.trainable_variables)
    dense -= sum(each.shape.num_elements() for each in tables)
    reduced = [int(np.prod(shape)) for op, shape in sent if op.startswith("CollectiveReduce")]
    assert max(reduced) == dense
    assert min(reduced) > 0, "every shape is known"
    assert sorted(reduced)[-2] < BATCH * 8


@pytest.mark.slow
def test_parameter_servers_train_a_checkpoint_for_any_process(tmp_path):
    command = [*PROCESS, "parameter_server", str(tmp_path)]
    variables = {**environment(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, env=variables, check=True, timeout=120)
    result = json.loads((tmp_path / "chief.json").read_text())
    shards = [shape for name, shape in result["shapes"].items() if "/table/part_" in name]
    assert sorted(shape[0] for shape in shards) == [22, 23]
    assert len(result["devices"]) == 2
    assert result["steps"] == 4 * STEPS
    assert result["losses"][-1] < result["losses"][0]
    assert len(set(result["validations"])) == 4, "scored between epochs, which then go on"
    restored = network()
    restored.load_weights(str(tmp_path / "checkpoint")).expect_partial()
    logits = restored.predict(batches(), verbose=0)["logit"]
    np.testing.assert_allclose(logits, result["logits"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.ravel(result["evaluated"]), logits, rtol=1e-5, atol=1e-6)


def test_a_server_serves_until_its_chief_has_ended(tmp_path, monkeypatch):
    """Through the command's own path, with a socket in place of the chief."""
    port, own = free_ports(2)
    cluster = {"chief": [f"localhost:{port}"], "worker": [f"localhost:{own}"], "ps": ["x:1"]}
    task = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    left: list[bool] = []
    serving = threading.Thread(
        target=lambda: left.append(join_cluster("parameter_server", grace_seconds=1.0)),
        daemon=True,
    )
    with _listening(port):
        serving.start()
        wait_until(lambda: strategies.answers(f"localhost:{own}"))
        serving.join(2.0)
        assert serving.is_alive(), "it serves while the chief answers"
    serving.join(20.0)
    assert left == [False]


def test_a_process_has_one_strategy(monkeypatch):
    monkeypatch.setattr(strategies, "_made", {})
    made = tf.distribute.get_strategy()
    monkeypatch.setitem(strategies.STRATEGY_MAKERS, "mirrored", lambda: made)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert training_strategy() is made
    assert training_strategy("mirrored") is made
    with pytest.raises(ConfigError, match="Start another process"):
        training_strategy("multi_worker")


def test_a_run_of_a_cluster_is_loaded_without_one(monkeypatch):
    monkeypatch.setattr(strategies, "_made", {})
    monkeypatch.setitem(strategies.STRATEGY_MAKERS, "mirrored", lambda: "alone")
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    assert training_strategy() == "alone"
    monkeypatch.setattr(strategies, "_made", {})
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        training_strategy("mirrored")


def test_parts_of_a_batch_are_the_batch():
    batch = ({"x": tf.range(7)}, tf.range(7))
    parts = list(strategies.parts_of_batch(batch, 3).as_numpy_iterator())
    assert [len(labels) for _, labels in parts] == [2, 2, 3]
    np.testing.assert_array_equal(np.concatenate([x["x"] for x, _ in parts]), np.arange(7))


def test_others_than_the_chief_write_where_it_is_thrown_away(monkeypatch, tmp_path):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.write_path(tmp_path / "last") == tmp_path / "last"
    cluster = {"worker": ["a:1", "b:1"]}
    task = {"cluster": cluster, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    path = strategies.write_path(tmp_path / "last")
    assert path.name == "last"
    assert tmp_path not in path.parents
    assert Path(path.parent).is_dir()
