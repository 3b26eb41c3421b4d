"""Memory of the process that runs the tests, given back between files."""

import ctypes
import ctypes.util
import gc

import tensorflow as tf
import tf_keras

# TensorFlow 2.21's registry of gradients keeps that of every traced `tf.custom_gradient`, with the
# tensors that it closes over, and so the whole graph of every training step, for good.
_GRADIENTS: dict = tf.RegisterGradient.__call__.__globals__["gradient_registry"]._registry  # noqa: SLF001
_LIBC = ctypes.CDLL(ctypes.util.find_library("c"))


def freeze_imports() -> None:
    """Leaves what exists by now out of every later search for garbage.

    TensorFlow's modules hold millions of objects, and tracing makes many: at the default
    thresholds, looking through them again and again takes a tenth of the time of the tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


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
