import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.summary_gate import SummaryGate
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


@pytest.mark.parametrize("mode", ["glu", "paper", "none"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "linear"])
def test_matches_oracle(mode, activation):
    x = np.random.default_rng(1).normal(size=(6, 5, 4)).astype("float32")
    layer = SummaryGate(mode, activation)
    layer(x)
    randomize(layer)
    expected = [oracle.gate(layer, each) for each in x.astype("float64")]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_a_missing_token_stays_0_by_default():
    layer = SummaryGate()
    layer(tf.zeros((1, 2, 3)))
    randomize(layer)
    np.testing.assert_array_equal(layer(tf.zeros((1, 2, 3))), np.zeros((1, 2, 3)))


def test_rejects_unknown_names():
    with pytest.raises(ValueError, match=r"glu, paper, none.*mode='gru'"):
        SummaryGate("gru")
    with pytest.raises(ValueError, match=r"sigmoid, tanh, linear.*activation='relu'"):
        SummaryGate(activation="relu")
