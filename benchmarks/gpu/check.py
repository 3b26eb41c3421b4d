"""Checks that GPUs train as the processor does, and says how fast: `make gpu-check`.

python -m benchmarks.gpu.check
python -m benchmarks.gpu.check --rehearse      # two logical devices of the processor for GPUs

MBCnet and DCNv2 with small layers take the same steps from the same weights on the processor, on
one GPU and, where there are, on two. Every step's loss must be the processor's within TOLERANCE,
relative, in float32 without TF32. Then steps are timed as a training takes them, the GPU's peak
memory is read, and a few steps on one GPU are profiled. Exit code 1 where a loss differs; without
a GPU nothing is checked: one sentence says why, and the exit code is 0.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.training.workload import write_workload
from pipeline.system.quiet import import_tensorflow

TOLERANCE = 1e-3
_ROOT = Path(__file__).resolve().parents[2]
_EMBEDDING = {"embedding_dim": 8, "stddev": 0.01}
NETWORKS: dict[str, dict[str, Any]] = {
    "MBCnet": {
        "embedding": _EMBEDDING,
        "branches": {
            "efgc": {"units": [64], "output_units": 32},
            "cross": {"type": "low_rank_cross_mixture", "rank": 16, "output_units": 32},
            "deep": {"units": [64, 32]},
        },
        "alignment": {"type": "shared_mlp", "units": [32]},
    },
    "DCNv2": {
        "embedding": _EMBEDDING,
        "branches": {"dcnv2": {"units": [64, 32], "dropout": 0.0}},
        "heads": "fused",
        "cooperation": {},
    },
}


@dataclass(frozen=True)
class Devices:
    """What a side trains on.

    Args:
        kind: `CPU` or `GPU`.
        count: How many.
    """

    kind: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} {self.kind}{'s' if self.count > 1 else ''}"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="On the processor alone.")
    parser.add_argument("--steps", type=int, default=10, help="Whose losses are compared.")
    parser.add_argument("--timed-steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--rows", type=int, default=200_000, help="Of the tables.")
    parser.add_argument("--profile", type=Path, default=Path("gpu_profile"), help="Folder.")
    arguments = parser.parse_args()
    import_tensorflow()
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    if not gpus and not arguments.rehearse:
        print(f"gpu-check skipped: {why_none(tf.test.is_built_with_cuda(), _has_driver())}")
        return 0
    kind = "CPU" if arguments.rehearse else "GPU"
    counts = (2,) if arguments.rehearse else range(1, min(gpus, 2) + 1)
    sides = [Devices("CPU", 1), *(Devices(kind, count) for count in counts)]
    print("| network | on | largest difference of a loss | examples/s | peak memory, MB |")
    print("|---|---|---|---|---|")
    differences = [compare(name, sides, arguments) for name in NETWORKS]
    if gpus:
        print(f"profile: tensorboard --logdir {arguments.profile}")
    if max(differences) <= TOLERANCE:
        return 0
    print(
        f"gpu-check failed: a loss differs from the processor's by {max(differences):.1e}, and "
        f"{TOLERANCE:.0e} is expected at most. Report it with the table.",
        file=sys.stderr,
    )
    return 1


def compare(name: str, sides: Sequence[Devices], arguments: argparse.Namespace) -> float:
    """Trains a network on all sides and prints a line for each.

    Returns:
        The largest relative difference of a loss from that of the first side.
    """
    largest = 0.0
    with tempfile.TemporaryDirectory(prefix="concord-gpu-") as folder:
        data = Path(folder) / "data.npz"
        write_workload(data, arguments.rows, arguments.batch * arguments.steps)
        expected: list[float] = []
        for devices in sides:
            profiled = devices == Devices("GPU", 1)
            spec = {
                "data": str(data),
                "batch": arguments.batch,
                "network": NETWORKS[name],
                "steps": arguments.steps,
                "timed_steps": arguments.timed_steps,
                "weights": str(Path(folder) / "weights.npz"),
                "profile": str(arguments.profile / name) if profiled else None,
            }
            found = _train(devices, spec, Path(folder) / "found.json")
            expected = expected or found["losses"]
            difference = largest_difference(found["losses"], expected)
            largest = max(largest, difference)
            print(
                f"| {name} | {devices} | {difference:.1e} | {found['examples_per_s']:,.0f} | "
                f"{found['peak_bytes'] / 1e6:,.0f} |",
                flush=True,
            )
    return largest


def largest_difference(losses: Sequence[float], expected: Sequence[float]) -> float:
    """The largest relative difference; infinite where one is no number, or one is missing."""
    if len(losses) != len(expected):
        return float("inf")
    pairs = zip(losses, expected, strict=True)
    found = [abs(loss - other) / abs(other) for loss, other in pairs]
    return max(each if each == each else float("inf") for each in found)  # nan is not itself


def why_none(built_with_cuda: bool, has_driver: bool) -> str:
    """Why TensorFlow sees no GPU, in a sentence."""
    if not has_driver:
        return "this machine has no NVIDIA driver (/proc/driver/nvidia/version is not there)."
    if not built_with_cuda:
        return 'this TensorFlow was built without CUDA. Install "tensorflow[and-cuda]==2.21.0".'
    return (
        "TensorFlow finds no GPU, though there is a driver: the libraries of "
        '"tensorflow[and-cuda]==2.21.0" are missing, or CUDA_VISIBLE_DEVICES hides it. '
        "TF_CPP_MIN_LOG_LEVEL=0 shows which library is not found."
    )


def _has_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists()


def _train(devices: Devices, spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """What `benchmarks.gpu.side` says, in a process of its own.

    Raises:
        RuntimeError: It failed; the message ends with what it printed last.
    """
    spec = {**spec, "device": devices.kind, "count": devices.count}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.side", json.dumps(spec), str(out)],
        cwd=_ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{devices} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


if __name__ == "__main__":
    sys.exit(main())
