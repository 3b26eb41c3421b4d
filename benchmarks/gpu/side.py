"""One side of the check: a network trained some steps on chosen devices, in a process of its own.

Run by `benchmarks.gpu.check`: a process has one strategy and one set of devices.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.training.peers.concord import made_up_bundle
from benchmarks.training.workload import batches, read_batches
from models.network import CooperativeNetwork
from models.spec.network_config import NetworkConfig
from pipeline.config.run_config import RunConfig, TrainConfig
from pipeline.training.strategy import STRATEGY_MAKERS
from pipeline.training.train import new_network

_PROFILED = 5  # steps


def main() -> None:
    """Reads what to do from the first argument, JSON; writes what came of it to the second."""
    spec, out = json.loads(sys.argv[1]), Path(sys.argv[2])
    use_devices(spec["device"], spec["count"])
    out.write_text(json.dumps(train(spec)))


def use_devices(kind: str, count: int) -> None:
    """Chooses the devices of this process, before anything is placed on one.

    Args:
        kind: `GPU`; or `CPU`, which several logical devices share.
        count: How many.
    """
    gpus = tf.config.list_physical_devices("GPU")
    tf.config.set_visible_devices(gpus[:count] if kind == "GPU" else [], "GPU")
    if kind == "CPU":
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)
    if count > 1:
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        STRATEGY_MAKERS["mirrored"] = lambda: tf.distribute.MirroredStrategy(names)


def train(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Trains as the spec says.

    Args:
        spec: `data` (a workload), `batch`, `network` (the `model:` section), `steps` whose losses
            are told, `timed_steps`, `weights` (a file: written where it is not there, read where it
            is) and `profile` (a folder, or None).

    Returns:
        `losses` by step, without TF32; `examples_per_s` and `peak_bytes`, with the defaults of a
        training.
    """
    sizes, ids, labels = read_batches(spec["data"], spec["batch"])
    config = RunConfig.model_construct(
        model=NetworkConfig.model_validate(spec["network"]),
        train=TrainConfig(batch_size=spec["batch"]),
    )
    bundle = made_up_bundle(Path(spec["data"]).with_suffix(".bundle"), sizes, ids, labels)
    network = new_network(config, bundle)
    _same_weights(network, Path(spec["weights"]))
    data = batches(ids, labels)
    # TF32 rounds what matrix products read to 10 bits: no comparison with a processor.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    losses = network.fit(data, steps_per_epoch=1, epochs=spec["steps"], verbose=0).history["loss"]
    tf.config.experimental.enable_tensor_float_32_execution(True)
    seconds = _seconds(network, data, spec["timed_steps"])
    if spec["profile"] is not None:
        tf.profiler.experimental.start(spec["profile"])
        network.fit(data, steps_per_epoch=_PROFILED, epochs=1, verbose=0)
        tf.profiler.experimental.stop()
    return {
        "losses": losses,
        "examples_per_s": spec["batch"] * spec["timed_steps"] / seconds,
        "peak_bytes": _peak_bytes(),
    }


def _same_weights(network: CooperativeNetwork, file: Path) -> None:
    """All sides begin with the weights that the first one drew."""
    if file.exists():
        with np.load(file) as weights:
            network.set_weights([weights[name] for name in weights.files])
    else:
        np.savez(file, *network.get_weights())


def _seconds(network: CooperativeNetwork, data: tf.data.Dataset, steps: int) -> float:
    network.fit(data, steps_per_epoch=steps, epochs=1, verbose=0)  # traced and compiled by now
    started = time.perf_counter()
    network.fit(data, steps_per_epoch=steps, epochs=1, verbose=0)
    return time.perf_counter() - started


def _peak_bytes() -> int:
    """Most memory so far: of the GPU with most, or of the process."""
    gpus = tf.config.list_logical_devices("GPU")
    used = [tf.config.experimental.get_memory_info(gpu.name[-5:])["peak"] for gpu in gpus]
    return max(used, default=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
