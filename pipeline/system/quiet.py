"""Keeps what TensorFlow's runtime says about itself out of the user's terminal."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; what it prints meanwhile shows only if it fails.

    Its runtime writes a dozen lines about processor features and missing CUDA drivers to the
    file descriptor of standard error, before any log level could be set. Nothing is done where it
    is imported already.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _held_back(sys.stderr.fileno()), nothing_to_collect():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def nothing_to_collect() -> Iterator[None]:
    """For what makes objects that stay: Python's collector never looks through them.

    An import of TensorFlow makes so many that looking through them takes a fifth of it, and again
    at the end of the process.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextmanager
def _held_back(descriptor: int) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(descriptor)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        except BaseException:
            os.dup2(kept, descriptor)
            held.seek(0)
            os.write(descriptor, held.read())
            raise
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)
