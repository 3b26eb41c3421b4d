"""How much of the processor's rate of matrix products a training step reaches: its MFU."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tensorflow as tf
import tf_keras

from models.network import CooperativeNetwork
from models.network.cost import flops_by_layer
from pipeline.training.step_time import StepTime

# The gradients by the inputs and by the weights are a product each of the size of the forward one.
TRAINING_TO_FORWARD = 3
_SIZE = 2048  # of the matrices that the rate is measured with: smaller ones are multiplied slower
_ROUNDS = 8


@dataclass(frozen=True)
class Utilization:
    """Model FLOPs utilization (MFU; Chowdhery et al., PaLM, 2022, appendix B) of a step.

    The FLOPs are those of the matrix products of `models.network.cost`, forward, and twice as many
    backward. Histories count with their declared length: where batches are cut to shorter ones,
    what is said is too much. Where others use the cores while the rate is measured, too.

    Args:
        rate: FLOP/s of one large matrix product on this machine, in the precision of training.
        step: Share of that rate over the whole step.
        branches: By name, share of it over the time that the branch took of the step; branches
            without matrix products are left out.
    """

    rate: float
    step: float
    branches: dict[str, float]

    def __str__(self) -> str:
        branches = ", ".join(f"{name} {share:.0%}" for name, share in self.branches.items())
        return (
            f"MFU {self.step:.0%} of {self.rate / 1e9:,.0f} GFLOP/s of a matrix product"
            f"{': ' if branches else ''}{branches}"
        )

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        branches = {name: round(share, 4) for name, share in self.branches.items()}
        gigaflops = round(self.rate / 1e9, 1)
        return {"gflops_per_second": gigaflops, "step": round(self.step, 4), "branches": branches}


def utilization(
    network: CooperativeNetwork, measured: StepTime, batch_size: float, rate: float | None = None
) -> Utilization:
    """The MFU of a step, as a whole and by branch.

    Args:
        network: What was trained.
        measured: Where the time of its steps went.
        batch_size: Examples of a step.
        rate: FLOP/s of the machine; None to measure it.
    """
    rate = rate or product_rate(tf_keras.mixed_precision.global_policy().compute_dtype)
    flops = flops_by_layer(network)
    seconds = measured.milliseconds / 1e3

    def share(flops_of_example: int, seconds: float) -> float:
        return TRAINING_TO_FORWARD * flops_of_example * batch_size / (seconds * rate)

    branches = {
        name: share(flops[branch.name], measured.branches[branch.name] * seconds)
        for name, branch in network.branches.items()
        if flops.get(branch.name) and measured.branches.get(branch.name)
    }
    return Utilization(rate, share(sum(flops.values()), seconds), branches)


@lru_cache
def product_rate(dtype: str = "float32") -> float:
    """FLOP/s of the product of two large square matrices on all cores, measured in half a second.

    The fastest of some rounds: the others say what other work on the cores took.

    Args:
        dtype: Of the matrices, such as "bfloat16".
    """
    with tf.device("/CPU:0"):
        matrix = tf.cast(tf.random.stateless_uniform((_SIZE, _SIZE), (0, 1)), dtype)

        @tf.function(autograph=False)
        def product() -> tf.Tensor:
            return tf.reduce_max(matrix @ matrix)

        product().numpy()
        seconds = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            product().numpy()
            seconds.append(time.perf_counter() - started)
    return 2 * _SIZE**3 / min(seconds)
