import numpy as np
import pytest
import tensorflow as tf

from models.branches.dhen.dhen_layer import DHENLayer
from tests.models.branches.dhen import interaction_oracle as oracle
from tests.models.branches.interformer.interformer_oracle import self_attention

ALL = ("dot", "cross", "linear", "self_attention")


def built(x, **settings) -> DHENLayer:
    layer = DHENLayer(**{"dot_units": (6,), "rank": 3, "num_heads": 2, **settings})
    layer(x)
    return oracle.randomize(layer)


def random_tokens(count=5):
    return np.random.default_rng(1).normal(size=(6, count, 4)).astype("float32")


@pytest.mark.parametrize("ensemble", ["concat", "sum", "weighted_sum"])
@pytest.mark.parametrize("tokens_per_module", [None, 3])
@pytest.mark.parametrize("modules", [("dot", "cross"), ALL], ids=["benchmark", "all"])
def test_matches_oracle(modules, ensemble, tokens_per_module):
    x = random_tokens()
    layer = built(
        x, modules=modules, ensemble=ensemble, tokens_per_module=tokens_per_module, cross_layers=2
    )
    expected = [oracle.dhen_layer(layer, each, self_attention) for each in x.astype("float64")]
    np.testing.assert_allclose(layer(x), expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("count", "settings", "tokens", "has_weights"),
    [
        (6, {}, 6, False),  # 2 x 3
        (5, {}, 6, True),  # 2 x 3, rounded up
        (6, {"modules": ["linear"] * 3}, 6, False),
        (6, {"tokens_per_module": 2}, 4, True),
        (5, {"ensemble": "sum"}, 5, False),
        (5, {"ensemble": "weighted_sum", "tokens_per_module": 2}, 2, True),
    ],
)
def test_the_shortcut_has_weights_where_the_number_of_tokens_changes(
    count, settings, tokens, has_weights
):
    x = random_tokens(count)
    layer = built(x, **settings)
    assert layer(x).shape == (6, tokens, 4)
    assert (layer.shortcut is not None) == has_weights


def test_keeps_the_shortcut():
    x = random_tokens(6)
    layer = DHENLayer()
    layer(x)
    layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    layer.norm.gamma.assign(tf.ones(4))
    centred = x - x.mean(axis=-1, keepdims=True)
    expected = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)  # no module, and X is still there


def test_a_weighted_sum_starts_as_the_sum():
    x = random_tokens()
    layer = DHENLayer(ensemble="weighted_sum")
    received = layer(x)
    layer.ensemble = "sum"
    np.testing.assert_allclose(received, layer(x), atol=1e-6)


def test_sees_embeddings_that_start_near_zero():
    x = 1e-3 * random_tokens(6)
    layer = DHENLayer()
    # Keras' own epsilon of 1e-3 would leave 3 % of the scale.
    assert np.std(layer(x)) > 0.2


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match=r"dot, cross, linear, self_attention.*\['fm'\]"):
        DHENLayer(["fm"])
    with pytest.raises(ValueError, match=r"modules=\[\]"):
        DHENLayer([])
    with pytest.raises(ValueError, match=r"concat, sum, weighted_sum.*'mean'"):
        DHENLayer(ensemble="mean")
    with pytest.raises(ValueError, match="tokens_per_module=0"):
        DHENLayer(tokens_per_module=0)
    with pytest.raises(ValueError, match="Use wider embeddings"):
        DHENLayer()(tf.zeros((2, 5, 1)))
