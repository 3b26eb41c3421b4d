import numpy as np
import pytest
import tensorflow as tf

from models.branches.mmoe import MMoE
from tests.models.branches.oracles import mlp, with_random_weights


def oracle(layer, x):
    """Section 11, one example and one expert at a time."""
    kernel, rows = layer.gate.kernel.numpy().astype("float64"), []
    for each in x.astype("float64"):
        score = np.exp(each @ kernel)
        mixed = sum(
            s * mlp(expert, each)
            for s, expert in zip(score / score.sum(), layer.experts, strict=True)
        )
        rows.append(mixed if layer.tower is None else mlp(layer.tower, mixed))
    return np.array(rows)


def built(**options) -> tuple[MMoE, np.ndarray]:
    layer = MMoE(**{"num_experts": 3, "expert_units": [5, 4], "tower_units": [6], **options})
    x = np.random.default_rng(0).normal(size=(8, 7)).astype("float32")
    return with_random_weights(layer, x), x


@pytest.mark.parametrize("tower_units", [[], [6], [6, 3]])
@pytest.mark.parametrize("num_experts", [1, 2, 4])
def test_matches_oracle(num_experts, tower_units):
    layer, x = built(num_experts=num_experts, tower_units=tower_units)
    np.testing.assert_allclose(layer(x), oracle(layer, x), rtol=1e-4, atol=1e-4)


def test_the_order_of_the_experts_does_not_matter():
    layer, x = built()
    other, _ = built()
    for i, j in enumerate([2, 0, 1]):
        other.experts[i].set_weights(layer.experts[j].get_weights())
    other.gate.set_weights([layer.gate.kernel.numpy()[:, [2, 0, 1]]])
    other.tower.set_weights(layer.tower.get_weights())
    np.testing.assert_allclose(other(x), layer(x), rtol=1e-5, atol=1e-5)


def test_equal_experts_are_one_mlp_whatever_the_gate_says():
    layer, x = built(tower_units=[])
    for expert in layer.experts:
        expert.set_weights(layer.experts[0].get_weights())
    np.testing.assert_allclose(layer(x), layer.experts[0](x), rtol=1e-5, atol=1e-5)


def test_the_gate_learns_from_how_the_experts_differ():
    layer, x = built(num_experts=2, expert_units=[1], tower_units=[])
    with tf.GradientTape() as tape:
        y = layer(x[:1])
    received = tape.gradient(y, layer.gate.kernel)
    g = tf.nn.softmax(layer.gate(x[:1]))[0]
    e = [float(expert(x[:1])[0, 0]) for expert in layer.experts]
    # d sum_i g_i e_i / d score_1 = g_1 g_2 (e_1 - e_2), and the opposite for score_2.
    expected = np.outer(x[0], g[0] * g[1] * (e[0] - e[1]) * np.array([1.0, -1.0]))
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


def test_defaults_are_deepctrs_experts_and_mbcnets_last_width():
    layer = MMoE()
    assert [expert.units for expert in layer.experts] == [(256, 128)] * 3
    assert layer.tower.units == (128,)
    assert MMoE.takes == "flat"


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="num_experts=0"):
        MMoE(num_experts=0)
