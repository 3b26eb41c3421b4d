import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import os
import tempfile
from collections import Counter

import pytest
import tensorflow as tf
import tf_keras

from tests.memory import freeze_imports, release_memory_if_large

_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
# Its advice on retracing depends on what else a worker has run: no test of a log may see it.
tf.get_logger().setLevel("ERROR")
# What libraries leave in the temporary folder goes with the tests; pytest's own folders stay.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
_TEMPORARY = tempfile.TemporaryDirectory(prefix="concord-tests-", ignore_cleanup_errors=True)
tempfile.tempdir = os.environ["TMPDIR"] = _TEMPORARY.name


def pytest_unconfigure() -> None:
    _TEMPORARY.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first: two workers that take files in turn end together."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish() -> None:
    freeze_imports()


@pytest.fixture(scope="module", autouse=True)
def _released_memory():
    """What one file of tests has traced does not stay for those after it."""
    yield
    release_memory_if_large()


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.MirroredStrategy:
    """The one strategy of the process: a second one fails in its first collective."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def _seed():
    tf_keras.utils.set_random_seed(7)
