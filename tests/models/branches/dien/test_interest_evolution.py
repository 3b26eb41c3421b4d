import numpy as np
import pytest
import tensorflow as tf

from models.branches.dien.interest_evolution import InterestEvolution
from tests.models.layers import sequence_oracles as oracles
from tests.models.layers.sequence_oracles import call

ATTENTIONS = ["din", "bilinear", "dot"]


def events(target_width: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "steps": rng.normal(size=(6, 5, 6)).astype("float32"),
        "target": rng.normal(size=(6, target_width)).astype("float32"),
        "mask": np.arange(5) < np.array([[5], [0], [1], [3], [4], [5]]),
    }


def oracle(layer, steps, target, mask):
    """One example: the first recurrence, attention on its states, the second recurrence."""
    states = oracles.gru(layer.extractor, steps.astype("float64"), mask)
    if layer.attention == "din":
        keys = states[:, : len(target)]
        weights = oracles.attention(layer.mlp_attention, target, keys, mask)
    else:
        query = target
        if layer.attention == "bilinear":
            query = target @ oracles.weights_of(layer.bilinear)[0]
        weights = oracles.softmax([h[: len(query)] @ query for h in states], mask)
    np.testing.assert_allclose(weights.sum(), float(mask.any()))
    return oracles.attentional_gru(layer.evolution, states, weights, mask), states


@pytest.mark.parametrize("target_width", [3, 6])
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("update", ["augru", "agru", "aigru"])
def test_matches_oracle(update, attention, target_width):
    batch = events(target_width)
    layer = oracles.randomized(InterestEvolution(update, attention, [4]), batch)
    evolved, states = call(layer, batch)
    for b in range(6):
        expected = oracle(layer, *(each[b] for each in batch.values()))
        np.testing.assert_allclose(evolved[b], expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(states[b], expected[1], rtol=1e-4, atol=1e-5)
    assert not evolved[1].numpy().any()  # an empty history


def test_bilinear_attention_starts_as_the_dot_product():
    batch = events()
    bilinear, dot = InterestEvolution(attention="bilinear"), InterestEvolution(attention="dot")
    call(bilinear, batch), call(dot, batch)
    *recurrences, kernel = bilinear.weights
    np.testing.assert_array_equal(kernel, np.eye(3, 6))
    dot.set_weights(recurrences)
    np.testing.assert_allclose(call(bilinear, batch)[0], call(dot, batch)[0], 1e-5, 1e-6)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_gradients_of_empty_histories_are_finite_and_padded_steps_get_none(attention):
    batch = {name: tf.constant(each) for name, each in events().items()}
    layer = InterestEvolution(attention=attention, attention_units=[4])
    with tf.GradientTape() as tape:
        tape.watch([batch["steps"], batch["target"]])
        evolved, states = call(layer, batch, training=True)
        total = tf.reduce_sum(evolved**2) + tf.reduce_sum(states[:, -1] ** 2)
    sources = [batch["steps"], batch["target"], *layer.trainable_variables]
    dsteps, dtarget, *others = (each.numpy() for each in tape.gradient(total, sources))
    for each in (dsteps, dtarget, *others):
        assert np.isfinite(each).all()
    assert not dsteps[~batch["mask"]].any()
    assert not dtarget[1].any()
    assert dtarget[0].any()


def test_recurrences_are_float32_under_a_mixed_policy():
    batch = events()
    layer = InterestEvolution("augru", "din", [4], dtype="mixed_bfloat16")
    evolved, states = call(layer, batch)
    assert evolved.dtype == states.dtype == tf.float32
    full = InterestEvolution("augru", "din", [4])
    call(full, batch)
    full.set_weights(layer.get_weights())
    np.testing.assert_allclose(evolved, call(full, batch)[0], atol=0.01)


@pytest.mark.parametrize("change", [{"update": "gru"}, {"attention": "cosine"}])
def test_rejects_unknown_settings(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be one of.*Received"):
        InterestEvolution(**change)
