"""Private API of Keras and TensorFlow that training needs: all of it, each with its reason.

As of tf_keras 2.21 and TensorFlow 2.21. `test_private_api` fails when one of them goes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import trackable_object_graph_pb2


class TensorLogsCallback(tf_keras.callbacks.Callback):
    """A callback that takes the logs of a step as tensors.

    By default Keras copies the logs to NumPy at every step, which waits for the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True


def begin_fit_at(network: tf_keras.Model, epoch: int, batch: int) -> None:
    """Makes the next `fit` begin at a batch inside an epoch.

    `initial_epoch` of `fit` can name an epoch only. Keras asks this method where its own
    BackupAndRestore had stopped, which restores weights alone.

    Args:
        network: Network whose `fit` begins there.
        epoch: Epoch of the first batch, counted from 0.
        batch: The first batch of that epoch, counted from 0.
    """
    network._maybe_load_initial_counters_from_ckpt = lambda *_: (epoch, batch)  # noqa: SLF001


def random_generators(network: tf_keras.Model) -> list[tf.random.Generator]:
    """Generators of the layers that draw while they train, such as dropout.

    Keras keeps them out of checkpoints, and a training that continues must draw on from them.
    """
    layers = [layer for layer in network.submodules if hasattr(layer, "_random_generator")]
    generators = [
        getattr(layer._random_generator, "_generator", None)  # noqa: SLF001
        for layer in layers
    ]
    return [generator for generator in generators if generator is not None]


@contextmanager
def keeping_coordinator(network: tf_keras.Model) -> Iterator[None]:
    """Keeps what `predict` forgets: the coordinator that `fit` gives its steps to.

    `predict` clears it, and a `fit` that validates between its epochs could not go on.
    """
    coordinator = network._cluster_coordinator  # noqa: SLF001
    try:
        yield
    finally:
        network._cluster_coordinator = coordinator  # noqa: SLF001


def checkpoint_keys(checkpoint: str, root: tf.Module) -> dict[int, str]:
    """id() of each variable below an object -> the name that a checkpoint holds it under.

    A checkpoint names tensors by paths of attributes, which only its object graph tells; its key
    and message have no public name.
    """
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(
        tf.train.load_checkpoint(checkpoint).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    )
    matched = tf.train.CheckpointView(checkpoint).match(root)
    return {
        id(trackable): graph.nodes[node].attributes[0].checkpoint_key
        for node, trackable in matched.items()
        if graph.nodes[node].attributes
    }


def read_trace(files: Iterable[Path]) -> Any:
    """The `XSpace` message of the `.xplane.pb` files of a profile.

    The profiler's public API writes them and reads none.
    """
    # A module of TensorFlow that only traces need.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    for file in files:
        space.MergeFromString(file.read_bytes())
    return space
