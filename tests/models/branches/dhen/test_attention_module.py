import numpy as np
import pytest
import tensorflow as tf

from models.branches.dhen.attention_module import AttentionModule
from tests.models.branches.dhen import interaction_oracle as oracle
from tests.models.branches.interformer.interformer_oracle import self_attention


def built(x, **settings) -> AttentionModule:
    layer = AttentionModule(**{"num_tokens": 3, "expansion": 2, "activation": "tanh", **settings})
    layer(x)
    return oracle.randomize(layer)


def random_tokens():
    return np.random.default_rng(1).normal(size=(6, 5, 4)).astype("float32")


@pytest.mark.parametrize("num_heads", [1, 4])
def test_matches_oracle(num_heads):
    x = random_tokens()
    layer = built(x, num_heads=num_heads)
    expected = [
        oracle.attention_module(layer, each, self_attention) for each in x.astype("float64")
    ]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_is_blind_to_the_order_but_for_the_last_recombination():
    x, order = random_tokens(), [3, 0, 4, 1, 2]
    layer = built(x)
    expected = layer(x)
    layer.out.set_weights([layer.out.kernel.numpy()[order]])
    np.testing.assert_allclose(layer(x[:, order]), expected, atol=1e-5)


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="expansion=0"):
        AttentionModule(2, expansion=0)
    with pytest.raises(ValueError, match="num_heads=3 and width 4"):
        AttentionModule(2, num_heads=3)(tf.zeros((1, 5, 4)))
