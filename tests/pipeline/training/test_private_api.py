"""Each private name of Keras and TensorFlow still does what training needs it for."""

import numpy as np
import tensorflow as tf
import tf_keras

from pipeline.training.private_api import (
    TensorLogsCallback,
    begin_fit_at,
    checkpoint_keys,
    keeping_coordinator,
    random_generators,
    read_trace,
)


class Recorder(TensorLogsCallback):
    """Notes the epochs, the batches and the types of what it is told."""

    def __init__(self):
        super().__init__()
        self.epochs, self.batches, self.types = [], [], set()

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)
        self.types |= {type(value) for value in logs.values()}


def compiled(*layers) -> tf_keras.Model:
    model = tf_keras.Sequential([*layers, tf_keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(model, callback, epochs=2) -> None:
    data = tf.data.Dataset.from_tensors((tf.zeros((4, 3)), tf.zeros((4, 1)))).repeat()
    model.fit(data, epochs=epochs, steps_per_epoch=3, callbacks=[callback], verbose=0)


def test_a_callback_is_told_tensors_not_numpy():
    recorder = Recorder()
    fit(compiled(), recorder)
    assert recorder.types
    assert all(issubclass(kind, tf.Tensor) for kind in recorder.types)


def test_fit_begins_inside_an_epoch():
    model, recorder = compiled(), Recorder()
    begin_fit_at(model, epoch=1, batch=2)
    fit(model, recorder, epochs=3)
    assert recorder.epochs == [1, 2]
    assert recorder.batches == [2, 0, 1, 2]


def test_generators_of_dropout_are_found_and_drawn_from():
    tf_keras.utils.set_random_seed(0)
    tf_keras.backend.experimental.enable_tf_random_generator()
    model = compiled(tf_keras.layers.Dropout(0.5))
    rows = tf.ones((2, 8))
    model(rows, training=True)
    (generator,) = random_generators(model)
    state = generator.state.numpy()
    first = model.layers[0](rows, training=True).numpy()
    assert (generator.state.numpy() != state).any()
    generator.reset(state)
    np.testing.assert_array_equal(model.layers[0](rows, training=True), first)


def test_the_coordinator_that_predict_forgets_is_kept():
    model = compiled()
    model._cluster_coordinator = coordinator = object()  # noqa: SLF001
    with keeping_coordinator(model):
        model.predict(np.zeros((2, 3), "float32"), verbose=0)
        assert model._cluster_coordinator is None  # noqa: SLF001
    assert model._cluster_coordinator is coordinator  # noqa: SLF001


def test_a_checkpoint_tells_the_key_of_every_variable(tmp_path):
    model = compiled(tf_keras.layers.Dense(2))
    model(tf.zeros((1, 3)))
    model.save_weights(str(tmp_path / "weights"))
    keys = checkpoint_keys(str(tmp_path / "weights"), model)
    reader = tf.train.load_checkpoint(str(tmp_path / "weights"))
    for weight in model.weights:
        np.testing.assert_array_equal(reader.get_tensor(keys[id(weight)]), weight)


def test_a_profile_is_read(tmp_path):
    with tf.profiler.experimental.Profile(str(tmp_path)):
        tf.linalg.matmul(tf.ones((8, 8)), tf.ones((8, 8)))
    space = read_trace(tmp_path.rglob("*.xplane.pb"))
    assert any(plane.name.startswith("/host:CPU") for plane in space.planes)
