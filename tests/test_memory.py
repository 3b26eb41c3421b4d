"""What `release_memory` gives back: TensorFlow keeps the graphs of training steps otherwise."""

import gc

import tf_keras

from tests.memory import release_memory
from tests.models import small


def num_graphs() -> int:
    return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())


def train_a_step() -> None:
    network = small.network()
    network.compile(optimizer=tf_keras.optimizers.SGD(0.1))
    network.train_on_batch(*small.rows(0, 4))


def test_no_graph_of_a_training_step_stays():
    train_a_step()
    release_memory()
    before = num_graphs()
    train_a_step()
    assert num_graphs() > before
    release_memory()
    assert num_graphs() == before
