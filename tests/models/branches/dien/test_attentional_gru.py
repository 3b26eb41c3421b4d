import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.branches.dien.attentional_gru import AttentionalGRU
from tests.models.layers import sequence_oracles as oracles
from tests.models.layers.sequence_oracles import call

UPDATES = ["augru", "agru", "aigru"]


def events(length: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(6, length, 3)).astype("float32"),
        "weights": rng.uniform(size=(6, length)).astype("float32"),
        "mask": np.arange(length) < np.array([[5], [0], [1], [3], [4], [5]]),
    }


@pytest.mark.parametrize("update", UPDATES)
def test_matches_oracle(update):
    batch = events()
    layer = oracles.randomized(AttentionalGRU(4, update), batch)
    received = call(layer, batch)
    for b in range(6):
        expected = oracles.attentional_gru(layer, *(each[b] for each in batch.values()))
        np.testing.assert_allclose(received[b], expected, rtol=1e-4, atol=1e-6)


def test_with_weights_of_1_it_is_keras_gru_whose_update_gate_is_the_complement():
    batch = events()
    batch["weights"][:] = 1.0
    layer = oracles.randomized(AttentionalGRU(4), batch)
    kernel, recurrent, bias, recurrent_bias = oracles.weights_of(layer.rnn)

    def arranged(w):  # ours: candidate, reset, update; Keras: 1 - update, reset, candidate
        candidate, reset, update = np.split(w, 3, axis=-1)
        return np.concatenate([-update, reset, candidate], axis=-1)

    peer = tf_keras.layers.GRU(4)
    peer(batch["x"])
    biases = np.array([arranged(bias), np.concatenate([np.zeros(8), recurrent_bias])])
    peer.set_weights([arranged(kernel), arranged(recurrent), biases])
    expected = peer(batch["x"], mask=batch["mask"])
    np.testing.assert_allclose(call(layer, batch), expected, 1e-5, 1e-6)


@pytest.mark.parametrize("update", ["augru", "agru"])
def test_an_event_without_weight_leaves_the_state(update):
    batch = events()
    layer = oracles.randomized(AttentionalGRU(4, update), batch)
    batch["weights"][:, 2] = 0.0
    expected = call(layer, batch)
    batch["x"][:, 2] += 5.0
    np.testing.assert_array_equal(call(layer, batch), expected)
    without = {name: np.delete(each, 2, axis=1) for name, each in batch.items()}
    np.testing.assert_allclose(call(layer, without), expected, 1e-5, 1e-6)


@pytest.mark.parametrize("update", UPDATES)
def test_padding_changes_nothing_and_an_empty_history_gives_0(update):
    batch, longer = events(5), events(8)
    layer = oracles.randomized(AttentionalGRU(4, update), batch)
    longer["x"][:, :5], longer["weights"][:, :5] = batch["x"], batch["weights"]
    expected = call(layer, batch)
    longer["x"][~longer["mask"]] = 99.0
    np.testing.assert_allclose(call(layer, longer), expected, 1e-5, 1e-6)
    assert not expected[1].numpy().any()


@pytest.mark.parametrize("update", UPDATES)
def test_gradients_are_finite_and_padded_steps_get_none(update):
    batch = {name: tf.constant(each) for name, each in events().items()}
    layer = AttentionalGRU(4, update)
    call(layer, batch)

    @tf.function(jit_compile=True)
    def gradients(batch):
        with tf.GradientTape() as tape:
            tape.watch([batch["x"], batch["weights"]])
            total = tf.reduce_sum(call(layer, batch) ** 2)
        return tape.gradient(total, [batch["x"], batch["weights"], *layer.trainable_variables])

    dx, dweights, *others = (each.numpy() for each in gradients(batch))
    for each in (dx, dweights, *others):
        assert np.isfinite(each).all()
        assert each.any()
    assert not dx[~batch["mask"]].any()
    assert not dweights[~batch["mask"]].any()


def test_starts_glorot_normal_without_biases():
    layer = AttentionalGRU(60)
    call(layer, {**events(), "x": np.zeros((6, 5, 80), "float32")})
    kernel, recurrent, bias, recurrent_bias = layer.get_weights()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (80 + 180)), rel=0.05)
    assert recurrent.std() == pytest.approx(np.sqrt(2 / (60 + 180)), rel=0.05)
    assert not bias.any()
    assert not recurrent_bias.any()


@pytest.mark.parametrize("change", [{"units": 0}, {"update": "gru"}])
def test_rejects_unknown_settings(change):
    with pytest.raises(ValueError, match=r"augru, agru, aigru\. Received: "):
        AttentionalGRU(**{"units": 4, **change})
