"""Memory of the process that runs the tests, given back between files."""

import ctypes
import ctypes.util
import gc
import resource
from pathlib import Path

import tensorflow as tf
import tf_keras

# TensorFlow 2.21's registry of gradients keeps that of every traced `tf.custom_gradient`, with the
# tensors that it closes over, and so the whole graph of every training step, for good.
_GRADIENTS: dict = tf.RegisterGradient.__call__.__globals__["gradient_registry"]._registry  # noqa: SLF001
_STATM = Path("/proc/self/statm")
LARGE_BYTES = 1_100_000_000  # TensorFlow and Beam alone are half of it
GROWN_BYTES = 150_000_000
_kept_bytes = 0  # what the last release left
_LIBC = ctypes.CDLL(ctypes.util.find_library("c"))


def freeze_imports() -> None:
    """Leaves what exists by now out of every later search for garbage.

    TensorFlow's modules hold millions of objects, and tracing makes many: at the default
    thresholds, looking through them again and again takes a tenth of the time of the tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def release_memory_if_large() -> None:
    """Gives memory back once this process holds much of it: to look for what nothing refers to any
    more takes up to a second, and the next functions are traced and compiled anew.
    """
    global _kept_bytes
    if resident_bytes() > max(LARGE_BYTES, _kept_bytes + GROWN_BYTES):
        release_memory()
        _kept_bytes = resident_bytes()


def resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * resource.getpagesize() if _STATM.exists() else 0


def release_memory() -> None:
    """Gives back what graphs and networks hold that nothing refers to any more.

    A network that was traced before and is trained on afterwards must be traced again.
    """
    for name in [name for name in _GRADIENTS if name.startswith("CustomGradient-")]:
        del _GRADIENTS[name]
    tf_keras.backend.clear_session()  # its graphs, and the kernels of traced functions
    gc.collect()  # graphs and layers refer to themselves
    if hasattr(_LIBC, "malloc_trim"):  # glibc
        _LIBC.malloc_trim(0)
