import numpy as np
import pytest
import tensorflow as tf

from models.layers.to_tokens import ToTokens
from tests.models.branches.dhen import interaction_oracle as oracle


@pytest.mark.parametrize("units", [(), (6, 4)])
def test_a_vector_becomes_tokens_row_by_row(units):
    v = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    layer = ToTokens(3, width=2, units=units, activation="tanh")
    layer(tf.zeros((1, 5)))
    oracle.randomize(layer)
    expected = [oracle.to_tokens(layer, each) for each in v.astype("float64")]
    np.testing.assert_allclose(layer(v), expected, atol=1e-5)


def test_the_last_layer_is_linear():
    layer = ToTokens(1, width=1, units=(3,), activation="relu")
    layer(tf.zeros((1, 2)))
    layer.linear.set_weights([np.zeros((3, 1)), np.array([-2.0])])
    np.testing.assert_array_equal(layer(tf.zeros((1, 2))), [[[-2.0]]])


def test_refuses_no_tokens_and_no_width():
    with pytest.raises(ValueError, match="num_tokens=0"):
        ToTokens(0, width=1)
    with pytest.raises(ValueError, match="width=0"):
        ToTokens(2, width=0)
