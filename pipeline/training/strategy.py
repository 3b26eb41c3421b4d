"""Which devices train: all GPUs of the machine, or its CPU."""

from functools import cache

import tensorflow as tf


@cache  # a second MirroredStrategy in one process fails with a mismatch of collective shapes
def mirrored_strategy() -> tf.distribute.MirroredStrategy:
    """The process's one strategy: a replica for each GPU, or one for the CPU."""
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus] or ["CPU:0"])
