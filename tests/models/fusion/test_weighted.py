"""`fusion_weights` of a fusion is a function; `weights` stays Keras' list of variables."""

import copy

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.fusion import ConfidenceFusion, GatedFusion


def model(trainable=True) -> tf_keras.Model:
    """A gate with every kind of variable, in a model of its own."""
    z, x = tf_keras.Input((3, 4), name="z"), tf_keras.Input((5,), name="x")
    fusion = GatedFusion([6], batch_norm=True, name="fusion", trainable=trainable)
    fused = fusion(z, gate_input=x)
    return tf_keras.Model({"z": z, "x": x}, tf_keras.layers.Dense(1, name="head")(fused))


def batch(rows=8):
    rng = np.random.default_rng(0)
    return {
        "z": rng.normal(size=(rows, 3, 4)).astype("float32"),
        "x": rng.normal(size=(rows, 5)).astype("float32"),
    }


@pytest.fixture
def trained() -> tf_keras.Model:
    """Weights that a new model does not start from, moving averages included."""
    network = model()
    network.compile(tf_keras.optimizers.Adam(0.1), "mse")
    network.fit(batch(), np.ones((8, 1)), epochs=2, verbose=0)
    return network


def assert_same(received: tf_keras.Model, expected: tf_keras.Model) -> None:
    for a, b in zip(received.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(received(batch()), expected(batch()), rtol=1e-6)


def test_the_weights_of_branches_and_the_variables_are_told_apart():
    fusion = ConfidenceFusion()
    logits = np.array([[0.3, -2.0, 5.0]])
    np.testing.assert_array_equal(
        fusion.fusion_weights(logits), fusion.fusion_weights(logits=logits)
    )
    assert not callable(fusion.weights)
    assert fusion.fusion_weights(logits).dtype == tf.float32
    assert fusion.weights == []  # it has no variables
    gate = model().get_layer("fusion")
    x = batch()["x"]
    np.testing.assert_array_equal(
        gate.fusion_weights(gate_input=x), gate.fusion_weights(gate_input=x, training=False)
    )
    with pytest.raises(ValueError, match="needs `gate_input`"):
        gate.fusion_weights(x)  # that is `logits`


def test_weights_is_the_list_of_variables():
    fusion = model().get_layer("fusion")
    names = [v.name.rsplit("/", 2)[1] for v in fusion.weights]
    # Batch normalisation's moving averages come last, as in any layer.
    assert names == ["linear_0", "batch_norm_0", "batch_norm_0", "gate", "gate"] + 2 * [
        "batch_norm_0"
    ]
    assert isinstance(fusion.weights, list)
    assert fusion.weights is not fusion.weights  # a list of one's own, as Keras gives
    both = [*fusion.trainable_weights, *fusion.non_trainable_weights]
    for received in (fusion.weights, fusion.variables, [] + fusion.weights):  # noqa: RUF005
        assert [id(v) for v in received] == [id(v) for v in both]
    assert fusion.count_params() == sum(v.numpy().size for v in both)


def test_the_model_sees_its_variables_once(trained):
    fusion, head = trained.get_layer("fusion"), trained.get_layer("head")
    received = {id(v) for v in trained.weights}
    assert received == {id(v) for v in [*fusion.weights, *head.weights]}
    assert len(trained.weights) == len(received) == 9
    assert len(trained.trainable_weights) == 7
    assert trained.count_params() == fusion.count_params() + head.count_params()


def test_a_frozen_fusion_has_the_same_variables():
    fusion = model(trainable=False).get_layer("fusion")
    assert len(fusion.weights) == 7
    assert fusion.trainable_weights == []


def test_weights_can_be_got_and_set(trained):
    other = model()
    other.set_weights(trained.get_weights())
    assert_same(other, trained)
    other = model()
    for name in ("fusion", "head"):
        other.get_layer(name).set_weights(trained.get_layer(name).get_weights())
    assert_same(other, trained)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5", "checkpoint"])
def test_weights_are_saved_and_loaded(trained, tmp_path, name):
    trained.save_weights(str(tmp_path / name))
    other = model()
    other.load_weights(str(tmp_path / name))
    assert_same(other, trained)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "directory"])
def test_models_are_saved_and_loaded(trained, tmp_path, name):
    trained.save(str(tmp_path / name))
    loaded = tf_keras.models.load_model(str(tmp_path / name))
    assert_same(loaded, trained)
    x = batch()["x"]
    np.testing.assert_allclose(
        loaded.get_layer("fusion").fusion_weights(gate_input=x),
        trained.get_layer("fusion").fusion_weights(gate_input=x),
        rtol=1e-6,
    )


def test_a_checkpoint_restores_everything(trained, tmp_path):
    path = tf.train.Checkpoint(model=trained).save(str(tmp_path / "checkpoint"))
    other = model()
    tf.train.Checkpoint(model=other).restore(path).assert_existing_objects_matched()
    assert_same(other, trained)


def test_a_saved_model_holds_every_variable(trained, tmp_path):
    tf.saved_model.save(trained, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert len(loaded.variables) == 9
    served = loaded.signatures["serving_default"](
        **{name: tf.constant(value) for name, value in batch().items()}
    )
    np.testing.assert_allclose(served["head"], trained(batch()), rtol=1e-6)


def test_it_passes_through_nest_and_gradients(trained):
    fusion = trained.get_layer("fusion")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(trained(batch()) ** 2)
    gradients = tape.gradient(loss, fusion.weights)
    assert [g is not None for g in gradients] == [v.trainable for v in fusion.weights]
    shapes = tf.nest.map_structure(lambda v: v.shape, fusion.weights)
    assert list(shapes) == [v.shape for v in fusion.weights]


def test_a_copy_is_a_plain_list_without_the_layer():
    fusion = model().get_layer("fusion")
    assert type(copy.copy(fusion.weights)) is list
    copied = copy.deepcopy(fusion.weights)
    assert type(copied) is list
    np.testing.assert_array_equal(copied[0], fusion.weights[0])
