"""What `TF_CONFIG` says: the processes that train together, and which of them this one is."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

from features.errors import ConfigError

StrategyName = Literal["mirrored", "multi_worker", "parameter_server"]

_EXAMPLES = {
    "multi_worker": '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}',
    "parameter_server": '{"cluster": {"chief": ["host0:2222"], "worker": ["host1:2222"], '
    '"ps": ["host2:2222"]}, "task": {"type": "chief", "index": 0}}',
}
_JOBS = {"multi_worker": {"chief", "worker"}, "parameter_server": {"chief", "worker", "ps"}}


@dataclass(frozen=True)
class Cluster:
    """The processes of a training and this one's place among them.

    Args:
        jobs: Job name (`chief`, `worker`, `ps`) -> addresses `host:port` of its tasks.
        job: This process's job.
        index: Its place among the tasks of that job, from 0.
    """

    jobs: Mapping[str, tuple[str, ...]]
    job: str
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files: the `chief`, or worker 0 where there is none."""
        return self.job == ("chief" if self.jobs.get("chief") else "worker") and self.index == 0

    @property
    def size(self) -> int:
        """Number of processes."""
        return sum(len(addresses) for addresses in self.jobs.values())


@overload
def cluster_for(strategy: Literal["mirrored"]) -> None: ...


@overload
def cluster_for(strategy: Literal["multi_worker", "parameter_server"]) -> Cluster: ...


def cluster_for(strategy: StrategyName) -> Cluster | None:
    """The cluster that `TF_CONFIG` describes; None for `mirrored`, which is one process.

    Raises:
        ConfigError: `TF_CONFIG` is missing, damaged, or describes what the strategy cannot use.
    """
    cluster = cluster_of_environment()
    if strategy == "mirrored":
        if cluster is not None and cluster.size > 1:
            raise ConfigError(
                f"TF_CONFIG names {cluster.size} processes, and train.strategy=mirrored trains in "
                "one: each would train alone and write the same files. Set train.strategy to "
                "multi_worker or parameter_server, or unset TF_CONFIG."
            )
        return None
    if cluster is None:
        raise ConfigError(
            f"train.strategy={strategy} needs the environment variable TF_CONFIG, which is not "
            f"set. Set it in every process, such as {_EXAMPLES[strategy]}, or start a local group: "
            "python -m pipeline supervise --workers 2 -- train --config ... --out ..."
        )
    jobs = {job for job, addresses in cluster.jobs.items() if addresses}
    needed = {"worker"} if strategy == "multi_worker" else _JOBS[strategy]
    if not needed <= jobs <= _JOBS[strategy] or len(cluster.jobs.get("chief", ())) > 1:
        raise ConfigError(
            f"TF_CONFIG names the jobs {', '.join(sorted(jobs))}, and train.strategy={strategy} "
            f"needs {', '.join(sorted(needed))}, and one chief at most. For example: "
            f"{_EXAMPLES[strategy]}"
        )
    return cluster


def cluster_of_environment() -> Cluster | None:
    """What `TF_CONFIG` describes; None where it is unset, empty, or names no cluster.

    Raises:
        ConfigError: It is not of the form that TensorFlow reads.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        content = json.loads(text)
        if not content.get("cluster"):
            return None
        jobs = {job: _addresses(given) for job, given in content["cluster"].items()}
        job, index = content["task"]["type"], int(content["task"]["index"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(
            f"TF_CONFIG is not what TensorFlow reads. Received: {text!r}. Expected JSON such as "
            + _EXAMPLES["multi_worker"]
        ) from None
    if not 0 <= index < len(jobs.get(job, ())):
        sizes = ", ".join(f"{len(addresses)} {name}" for name, addresses in jobs.items())
        raise ConfigError(
            f"TF_CONFIG says that this process is {job} {index}, counted from 0, and its cluster "
            f"has {sizes}. Mend task.type or task.index, or add its address to the cluster."
        )
    return Cluster(jobs, job, index)


def is_chief() -> bool:
    """Whether this process writes checkpoints, logs and results; true outside of a cluster."""
    cluster = cluster_of_environment()
    return cluster is None or cluster.is_chief


def _addresses(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(
        isinstance(address, str) and address.rpartition(":")[2].isdigit() for address in given
    ):
        raise ValueError(given)
    return tuple(given)
