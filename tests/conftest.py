import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import pytest
import tensorflow as tf
import tf_keras

_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.MirroredStrategy:
    """The one strategy of the process: a second one fails in its first collective."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def _seed():
    tf_keras.utils.set_random_seed(7)
