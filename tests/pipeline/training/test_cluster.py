"""TF_CONFIG: who is chief, and the sentence for each mistake."""

import json

import pytest

from features.errors import ConfigError
from pipeline.training.cluster import cluster_for, is_chief

WORKERS = {"worker": ["a:1", "b:1"]}
SERVERS = {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1", "d:1"]}


@pytest.fixture
def tf_config(monkeypatch):
    def set_to(cluster, job="worker", index=0):
        content = {"cluster": cluster, "task": {"type": job, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(content))

    monkeypatch.delenv("TF_CONFIG", raising=False)
    return set_to


def test_without_a_cluster_a_process_is_its_own_chief(tf_config, monkeypatch):
    assert is_chief()
    assert cluster_for("mirrored") is None
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert is_chief()
    tf_config({"worker": ["a:1"]})  # as some schedulers set it for one process
    assert cluster_for("mirrored") is None


@pytest.mark.parametrize(
    ("cluster", "job", "index", "chief"),
    [
        (WORKERS, "worker", 0, True),
        (WORKERS, "worker", 1, False),
        ({"chief": ["a:1"], **WORKERS}, "worker", 0, False),
        (SERVERS, "chief", 0, True),
        (SERVERS, "ps", 0, False),
    ],
)
def test_one_process_is_chief(tf_config, cluster, job, index, chief):
    tf_config(cluster, job, index)
    assert is_chief() == chief


@pytest.mark.parametrize(
    ("strategy", "cluster", "message"),
    [
        ("multi_worker", None, "which is not set.*supervise --workers"),
        ("parameter_server", WORKERS, "needs chief, ps, worker"),
        ("multi_worker", SERVERS, "names the jobs chief, ps, worker"),
        ("multi_worker", {"chief": ["a:1", "b:1"], **WORKERS}, "one chief at most"),
        ("mirrored", WORKERS, "names 2 processes.*Set train.strategy to"),
    ],
)
def test_refuses_a_cluster_that_the_strategy_cannot_use(tf_config, strategy, cluster, message):
    if cluster is not None:
        tf_config(cluster)
    with pytest.raises(ConfigError, match=message):
        cluster_for(strategy)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cluster": {"worker": "a:1"}}', '{"cluster": {"worker": ["a:1"]}}',
     '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}'],
)  # fmt: skip
def test_refuses_a_damaged_description(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match="Expected JSON such as"):
        cluster_for("multi_worker")


def test_refuses_a_place_outside_of_the_cluster(tf_config):
    tf_config(WORKERS, index=2)
    with pytest.raises(ConfigError, match=r"worker 2, counted from 0.*2 worker"):
        cluster_for("multi_worker")
