"""What the processes of the distribution tests run: `python -m <this module> JOB FOLDER`."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import json
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from models.network import CooperativeNetwork
from models.optimizers import make_optimizer, row_slots_of
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from pipeline.evaluation.split_outputs import OutputReader
from pipeline.training import strategy as strategies
from pipeline.training.strategy import (
    predicting,
    training_input,
    training_strategy,
    wait_for_all,
    write_path,
)
from pipeline.training.supervise import free_ports
from tests.models import small

STEPS, BATCH = 3, 9  # odd: two workers get 4 and 5 rows


def batches(part: tuple[int, int] | None = None) -> tf.data.Dataset:
    """Three batches of nine rows, or one worker's part of each."""
    data = tf.data.Dataset.from_tensor_slices(small.rows(0, STEPS * BATCH)).batch(BATCH)
    if part is not None:
        index, count = part
        share = slice(index * BATCH // count, (index + 1) * BATCH // count)
        data = data.map(lambda *batch: tf.nest.map_structure(lambda x: x[share], batch))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return data.with_options(options)


def network() -> CooperativeNetwork:
    """Every kind of input and the losses of MBCnet; compiled, its optimizer built."""
    tf_keras.utils.set_random_seed(7)  # matrices are compared with their start
    settings = {**small.SETTINGS, "embedding": {"embedding_dim": 4, "stddev": 0.5}}
    slots = row_slots_of("lazy_adam")
    made = build_network(NetworkConfig(**settings), small.INPUTS, small.GROUPS, slots=slots)
    # A tight norm: clipped before the sum over replicas, the step would be another one.
    optimizer = make_optimizer(1e-2, clip_norm=0.3)
    made.compile(optimizer=optimizer, weighted_metrics=[])
    made.optimizer.build(made.trainable_variables)
    return made


def multi_worker(folder: Path) -> None:
    """Trains from the weights of `initial.npz`; every process writes what it ends with."""
    strategy = training_strategy("multi_worker")
    with strategy.scope():
        trained = network()
    with np.load(folder / "initial.npz") as initial:
        trained.set_weights([initial[name] for name in initial.files])
    losses = trained.fit(training_input(batches), steps_per_epoch=STEPS, verbose=0).history
    logits = trained.predict(batches(), verbose=0)["logit"]
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    sent = collectives(trained)
    trained.save_weights(str(write_path(folder / "checkpoint")))
    wait_for_all()
    if index == 1:  # it reads what the chief wrote
        status = trained.load_weights(str(folder / "checkpoint"))
        status.assert_existing_objects_matched()
    np.savez(folder / f"worker{index}.npz", *trained.get_weights())
    (folder / f"worker{index}.json").write_text(
        json.dumps({"losses": losses, "logits": logits.tolist(), "sent": sent})
    )


def collectives(trained: CooperativeNetwork) -> list[tuple[str, list[int]]]:
    """Operation and shape of every tensor that crosses processes in a training step; -1: varies."""
    step = trained.train_tf_function.get_concrete_function(iter(training_input(batches)))
    graph = step.graph.as_graph_def(add_shapes=True)
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return [
        (node.op, [dimension.size for dimension in shape.dim])
        for node in nodes
        if node.op.startswith("Collective")
        for shape in node.attr["_output_shapes"].list.shape
    ]


def parameter_server(folder: Path) -> None:
    """A chief with its servers in this process; trains, and writes a checkpoint and its logits."""
    chief, *others = [f"localhost:{port}" for port in free_ports(5)]
    cluster = {"chief": [chief], "worker": others[:2], "ps": others[2:]}
    # They share the process's threads, and each waits for the others: two are too few.
    threads = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=8)
    servers = [  # noqa: F841  (they serve as long as there is a reference)
        tf.distribute.Server(cluster, job, index, protocol="grpc", config=threads)
        for job in ("worker", "ps")
        for index in range(2)
    ]
    task = {"cluster": cluster, "task": {"type": "chief", "index": 0}}
    os.environ["TF_CONFIG"] = json.dumps(task)
    strategies.SHARD_BYTES = 512  # so that the small table is spread too
    with training_strategy("parameter_server").scope():
        trained = network()

    class Validation(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logits = predicting(trained)(batches(), verbose=0)["logit"]
            logs["val_mean"] = float(np.mean(logits))

    losses = trained.fit(
        training_input(batches),
        epochs=4,
        steps_per_epoch=STEPS,
        callbacks=[Validation()],
        verbose=0,
    ).history
    trained.save_weights(str(folder / "checkpoint"))
    content = {
        "losses": losses["logloss"],
        "validations": losses["val_mean"],
        "steps": int(trained.optimizer.iterations),
        "shapes": {each.name: each.shape.as_list() for each in trained.trainable_variables},
        "devices": sorted({each.device for each in trained.trainable_variables}),
        "logits": trained.predict(batches(), verbose=0)["logit"].tolist(),
        "evaluated": OutputReader(trained).read(batches()).logit.tolist(),
    }
    (folder / "chief.json").write_text(json.dumps(content))
    sys.stdout.flush()
    os._exit(0)  # servers have no way to stop: do not wait for their threads


if __name__ == "__main__":
    {"multi_worker": multi_worker, "parameter_server": parameter_server}[sys.argv[1]](
        Path(sys.argv[2])
    )
