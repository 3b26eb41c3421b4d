import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.interaction_arch import InteractionArch
from tests.models.branches.dhen import interaction_oracle as oracle


@pytest.mark.parametrize("interaction", ["dhen", "dot", "cross"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_matches_oracle(interaction, num_layers):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 4, 3)).astype("float32")
    summary = rng.normal(size=(6, 3, 3)).astype("float32")
    arch = InteractionArch(interaction, num_layers, 2, dot_units=(6,), units=(5,))
    arch(x, summary=summary)
    oracle.randomize(arch)
    expected = [
        oracle.interaction_arch(arch, *each)
        for each in zip(x.astype("float64"), summary.astype("float64"), strict=True)
    ]
    np.testing.assert_allclose(arch(x, summary=summary), expected, rtol=2e-4, atol=2e-4)


def test_every_layer_keeps_the_number_of_tokens_or_rounds_it_up_once():
    arch = InteractionArch(num_layers=3, units=(5,))
    arch(tf.zeros((1, 4, 3)), summary=tf.zeros((1, 3, 3)))
    assert [layer.shortcut is not None for layer in arch.dhen] == [True, False, False]


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match=r"dhen, dot, cross.*'fm'"):
        InteractionArch("fm")
    with pytest.raises(ValueError, match="num_layers=0"):
        InteractionArch(num_layers=0)
