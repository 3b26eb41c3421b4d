"""Where training runs: this machine's devices, several machines, or with parameter servers."""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from pipeline.training.cluster import Cluster, StrategyName, cluster_for, is_chief
from pipeline.training.private_api import keeping_coordinator

log = logging.getLogger(__name__)

SHARD_BYTES = 2**24  # least part of a variable on a parameter server: only tables are larger
_made: dict[str, tf.distribute.Strategy] = {}


def training_strategy(name: StrategyName | None = None) -> tf.distribute.Strategy:
    """The process's one strategy; the first call makes it.

    A second MirroredStrategy in a process fails with a mismatch of collective shapes, and
    `multi_worker` must be made before any operation runs: the first thing after the settings are
    read. There it waits for the other processes.

    Args:
        name: `train.strategy`; None for the one that was made, `mirrored` where none was, as for
            loading a run that was trained elsewhere.

    Raises:
        ConfigError: `TF_CONFIG` does not fit the name, or the process has another strategy.
    """
    if not _made:
        if name == "mirrored":
            cluster_for(name)  # refuses one
        chosen = name or "mirrored"
        _made[chosen] = STRATEGY_MAKERS[chosen]()
    ((made, strategy),) = _made.items()
    if name not in (None, made):
        raise ConfigError(
            f"this process trains with train.strategy={made} and cannot change to {name}: there is "
            "one strategy in a process. Start another process."
        )
    return strategy


def _mirrored() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) < 2:
        # The same step; and a mirrored iterator waits for tf.data's autotuner before it ends.
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus])


def _multi_worker() -> tf.distribute.Strategy:
    log.info("waiting for %d processes", cluster_for("multi_worker").size)
    return tf.distribute.MultiWorkerMirroredStrategy()


def _parameter_server() -> tf.distribute.Strategy:
    cluster = cluster_for("parameter_server")
    log.info("waiting for %d processes", cluster.size)
    return tf.distribute.ParameterServerStrategy(
        tf.distribute.cluster_resolver.TFConfigClusterResolver(),
        # Not FixedShardsPartitioner: that would split the kernels of small layers too.
        variable_partitioner=tf.distribute.experimental.partitioners.MinSizePartitioner(
            min_shard_bytes=SHARD_BYTES, max_shards=len(cluster.jobs["ps"])
        ),
    )


STRATEGY_MAKERS: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "parameter_server": _parameter_server,
}


def join_cluster(name: StrategyName, grace_seconds: float = 300.0) -> bool:
    """Enters the cluster, if there is one; to be called before any TensorFlow operation.

    A `worker` or `ps` of a parameter-server training serves the chief, and returns when that has
    not answered for a while.

    Args:
        name: `train.strategy`.
        grace_seconds: How long a chief that was there may be away, as for a restart.

    Returns:
        Whether this process has its part of the training still before it.

    Raises:
        ConfigError: `TF_CONFIG` does not fit the name.
    """
    if name == "parameter_server":
        cluster = cluster_for(name)
        if cluster.job != "chief":
            _serve(cluster, grace_seconds)
            return False
    training_strategy(name)
    return True


def _serve(cluster: Cluster, grace_seconds: float) -> None:
    # A task answers the chief and every worker at once: with fewer threads they all wait.
    threads = max(os.cpu_count() or 1, cluster.size + 1)
    server = tf.distribute.Server(
        tf.train.ClusterSpec({job: list(addresses) for job, addresses in cluster.jobs.items()}),
        job_name=cluster.job,
        task_index=cluster.index,
        protocol="grpc",
        config=tf.compat.v1.ConfigProto(inter_op_parallelism_threads=threads),
    )
    log.info("%s %d serves at %s", cluster.job, cluster.index, server.target)
    (chief,) = cluster.jobs["chief"]
    last_seen = None
    while last_seen is None or time.monotonic() - last_seen < grace_seconds:
        if answers(chief):
            last_seen = time.monotonic()
        time.sleep(min(1.0, grace_seconds / 4))
    log.info("the chief has ended")


def answers(address: str) -> bool:
    """Whether a process listens at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5.0):
            return True
    except OSError:
        return False


def training_input(
    make: Callable[[tuple[int, int] | None], tf.data.Dataset],
) -> tf.data.Dataset | tf_keras.utils.experimental.DatasetCreator:
    """What `fit` reads under the process's strategy.

    `mirrored` and `multi_worker`: the replicas' batches of a step are the parts of one global
    batch. `parameter_server`: every worker reads batches of its own and steps alone.

    Args:
        make: Called with None for whole batches, or with (index, count) for the index-th of count
            equal parts of every batch; an index may be a tensor.
    """
    strategy = training_strategy()
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        workers = len(cluster_for("parameter_server").jobs["worker"])

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            # Whole batches, other ones for each worker.
            index = tf.distribute.coordinator.experimental_get_current_worker_index()
            # Endless: a fast worker takes more steps than its part of an epoch holds.
            return make(None).shard(workers, tf.cast(index, tf.int64)).repeat()

        return tf_keras.utils.experimental.DatasetCreator(of_worker)
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return make(None)
    local = strategy.num_replicas_in_sync // cluster_for("multi_worker").size

    def of_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        part = make((context.input_pipeline_id, context.num_input_pipelines))
        return part if local == 1 else part.flat_map(lambda *batch: parts_of_batch(batch, local))

    return strategy.distribute_datasets_from_function(of_process)


def parts_of_batch(batch: tuple, count: int) -> tf.data.Dataset:
    """A batch as `count` batches, one for each replica; the last ones may be empty."""
    rows = tf.shape(tf.nest.flatten(batch)[0])[0]

    def part(position: tf.Tensor) -> tuple:
        replica = tf.cast(position, tf.int32)
        start, stop = replica * rows // count, (replica + 1) * rows // count
        return tf.nest.map_structure(lambda column: column[start:stop], batch)

    return tf.data.Dataset.range(count).map(part)


def wait_for_all() -> None:
    """Returns when every process of a multi-worker training has called it."""
    strategy = training_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        ones = strategy.run(lambda: tf.constant(1.0))
        float(strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None))


def write_path(path: Path) -> Path:
    """Where this process writes what the chief writes to `path`.

    Every process of a multi-worker training must save, because moving statistics are averaged
    over all of them on the way; what the others write is thrown away when they end.
    """
    if is_chief():
        return path
    folder = Path(tempfile.mkdtemp(prefix="concord-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / path.name


def predicting(network: tf_keras.Model) -> Callable[..., Any]:
    """`network.predict`, also for use in a callback of `fit`.

    With parameter servers it runs in this process alone, reading rows from the servers. Keras does
    so only outside of the strategy's scope, which belongs to a thread and which `fit` is inside of;
    and it then forgets whom `fit` gives its steps to.
    """
    if not isinstance(training_strategy(), tf.distribute.ParameterServerStrategy):
        return network.predict

    def predict(*args: Any, **kwargs: Any) -> Any:
        with keeping_coordinator(network), ThreadPoolExecutor(1) as thread:
            return thread.submit(network.predict, *args, **kwargs).result()

    return predict
