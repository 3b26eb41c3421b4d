import importlib

import numpy as np
import pytest
import tensorflow as tf

from models.layers.target_attention import TargetAttention, masked_softmax
from tests.models.layers import sequence_oracles as oracles
from tests.models.layers.sequence_oracles import call


def events(width: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "target": rng.normal(size=(6, width)).astype("float32"),
        "keys": rng.normal(size=(6, 5, width)).astype("float32"),
        "mask": np.arange(5) < np.array([[5], [0], [1], [3], [4], [5]]),
    }


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("activation", ["dice", "relu"])
def test_matches_oracle(activation, softmax):
    batch = events()
    layer = oracles.randomized(TargetAttention([4, 3], activation, softmax=softmax), batch)
    received = call(layer, batch)
    for b in range(6):
        expected = oracles.attention(layer, *(each[b] for each in batch.values()))
        np.testing.assert_allclose(received[b], expected, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def peer(peers):
    return importlib.import_module("deepctr.layers.sequence")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("activation", ["dice", "relu"])
def test_with_deepctrs_weights_it_gives_deepctrs_outputs(peer, activation, softmax, training):
    batch = events()
    if training:
        batch["mask"][:] = True  # in training DeepCTR's Dice counts padded steps, ours does not
    keys, lengths = batch["keys"], batch["mask"].sum(axis=1, keepdims=True)
    theirs = peer.AttentionSequencePoolingLayer((4, 3), activation, softmax)
    inputs = [batch["target"][:, np.newaxis], keys, lengths]
    local = oracles.randomized(theirs, {"inputs": inputs}).local_att
    ours = TargetAttention((4, 3), activation, softmax=softmax)
    call(ours, batch)
    for i, linear in enumerate(ours.mlp.linears):
        linear.set_weights([local.dnn.kernels[i], local.dnn.bias[i]])
        if activation == "dice":
            dice = local.dnn.activation_layers[i]
            ours.mlp.dices[i].set_weights([dice.alphas, *dice.bn.get_weights()])
    # DeepCTR has a bias under the softmax too, where it cancels.
    ours.score.set_weights([local.kernel] if softmax else [local.kernel, local.bias])
    pooled = tf.einsum("bt,btw->bw", call(ours, batch, training=training), keys)
    expected = theirs(inputs, training=training)[:, 0].numpy()
    if softmax:
        expected[~batch["mask"].any(axis=1)] = 0.0  # DeepCTR averages an empty history's padding
    np.testing.assert_allclose(pooled, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(training):
    batch = events()
    layer = oracles.randomized(TargetAttention([4]), batch)
    longer = {
        "target": batch["target"],
        "keys": np.pad(batch["keys"], ((0, 0), (0, 3), (0, 0)), constant_values=7.0),
        "mask": np.pad(batch["mask"], ((0, 0), (0, 3))),
    }
    longer["keys"][~longer["mask"]] = -50.0
    received, expected = (call(layer, each, training=training) for each in (longer, batch))
    np.testing.assert_allclose(received[:, :5], expected, rtol=1e-4, atol=1e-6)
    assert not received[:, 5:].numpy().any()


@pytest.mark.parametrize("softmax", [False, True])
def test_an_empty_history_gets_no_weight_and_no_gradient(softmax):
    batch = events()
    keys, layer = tf.Variable(batch["keys"]), TargetAttention([4], "relu", softmax=softmax)
    with tf.GradientTape() as tape:
        weights = layer(batch["target"], keys=keys, mask=batch["mask"])
        total = tf.reduce_sum(weights**2)
    gradient = tape.gradient(total, keys).numpy()
    assert np.isfinite(gradient).all()
    assert not weights[1].numpy().any()
    assert not gradient[~batch["mask"]].any()


def test_the_softmax_keeps_its_sum_with_huge_scores():
    mask = tf.constant([[True, True, False], [True, False, False]])
    weights = masked_softmax(tf.constant([[1e4, 1e4, 1e6], [-1e6, 0.0, 0.0]]), mask)
    np.testing.assert_allclose(weights, [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])


def test_rejects_keys_that_the_target_cannot_be_compared_with():
    with pytest.raises(ValueError, match=r"target \(2, 3\) and keys \(2, 5, 6\).*vocabulary"):
        TargetAttention()(tf.zeros((2, 3)), keys=tf.zeros((2, 5, 6)), mask=tf.fill((2, 5), True))
