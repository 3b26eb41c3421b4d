import numpy as np
import pytest
import tensorflow as tf

from models.branches.nfm import NFM
from tests.models.branches.oracles import embedded, examples, mlp, pairs, with_random_weights


@pytest.mark.parametrize("linear", [True, False])
def test_matches_oracle(linear):
    x = embedded()
    layer = with_random_weights(NFM([5, 4], linear), x)
    expected = []
    for tokens, first_order in examples(x):
        deep = mlp(layer.mlp, sum(a * b for a, b in pairs(tokens)))
        if linear:
            (bias,) = layer.parts["wide"][0].get_weights()
            deep = np.concatenate([first_order.sum() + bias, deep])
        expected.append(deep)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_the_order_of_the_fields_does_not_matter():
    x = embedded()
    layer = with_random_weights(NFM([5, 4]), x)
    moved = tf.nest.map_structure(lambda each: tf.gather(each, [2, 0, 3, 1], axis=1), x)
    np.testing.assert_allclose(layer(moved), layer(x), rtol=1e-4, atol=1e-5)


def test_defaults_are_those_of_bars():
    options = NFM().mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 3, 0.0, False)
    assert NFM().uses_first_order
