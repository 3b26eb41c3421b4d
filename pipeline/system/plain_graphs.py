"""Graphs that run as they were traced."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def plain_graphs() -> Iterator[None]:
    """Leaves graphs that first run meanwhile, in threads that begin meanwhile, as they are.

    TensorFlow's graph optimizer (Grappler) takes longer for a preprocessing graph of a thousand
    lookups than a small job does for all its rows, and the graph is no faster for it.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        whether = before.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": whether})
