"""What computes: Concord's own files, the packages beside it, the machine. Together one checksum.

An answer that was kept says what a command would say only where all of it is the same.
"""

import functools
import hashlib
import json
import os
import platform
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("features", "models", "serving", "pipeline")
_OF_PACKAGES = (".py", ".yaml")
# Variables of the environment by which the same code computes other numbers.
_VARIABLES = (
    "CONCORD_PLUGINS",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


@functools.cache
def installation() -> str:
    """SHA-256 of Concord's files, the versions of all packages, the interpreter and the machine."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*")):
            if path.suffix in _OF_PACKAGES:
                content = path.read_bytes()
                digest.update(f"{path.relative_to(_ROOT)} {len(content)}\n".encode())
                digest.update(content)
    around = {
        "packages": sorted(set(_versions())),
        "python": sys.version,
        "machine": [platform.node(), platform.machine(), platform.release(), _gpu_driver()],
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
    }
    digest.update(json.dumps(around, sort_keys=True).encode())
    return digest.hexdigest()


def _gpu_driver() -> str:
    """What the driver of NVIDIA's GPUs says of itself; empty where there is none."""
    file = Path("/proc/driver/nvidia/version")
    return file.read_text() if file.exists() else ""


def _versions() -> list[str]:
    """Names of the packages that are installed, with their versions."""
    return [
        name
        for folder in sys.path
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.endswith((".dist-info", ".egg-info"))
    ]
