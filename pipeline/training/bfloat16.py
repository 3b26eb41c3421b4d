"""Whether this machine computes in bfloat16 fast, or only slowly."""

import logging
import platform
from pathlib import Path

import tensorflow as tf

log = logging.getLogger(__name__)

_CPU_INFO = Path("/proc/cpuinfo")
# Flags of Linux: x86 (AMX; AVX-512; AVX of client processors has none) and ARMv8.6.
_FAST = {"amx_bf16", "avx512_bf16", "bf16"}


def warn_slow_bfloat16() -> None:
    """Logs a warning where train.precision=bfloat16 would train slower than float32.

    That is on a processor that has to emulate bfloat16; a GPU is left to its owner. A processor
    that does not tell its features is not warned about.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    flags = cpu_flags(_CPU_INFO.read_text() if _CPU_INFO.exists() else "")
    if flags and not flags & _FAST:
        log.warning(
            "this %s processor has no bfloat16 instructions (%s), so train.precision=bfloat16 is "
            "emulated and slower than float32. Set train.precision to float32.",
            platform.machine(),
            ", ".join(sorted(_FAST)),
        )


def cpu_flags(cpuinfo: str) -> set[str]:
    """The features of the first processor in the text of /proc/cpuinfo; empty where it has none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):  # x86, ARM
            return set(value.split())
    return set()
