import numpy as np
import tensorflow as tf

from models.branches import Deep
from models.layers.mlp import MLP


def test_is_an_mlp_on_flat_inputs():
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    deep, mlp = Deep([5, 3]), MLP([5, 3])
    deep(x), mlp(x)
    mlp.set_weights(deep.get_weights())
    np.testing.assert_array_equal(deep(x), mlp(x))
    assert Deep.takes == "flat"


def test_defaults_are_the_papers_sizes():
    layer = Deep()
    layer(tf.zeros((1, 3)))
    assert [v.shape[1] for v in layer.weights if v.shape.rank == 2] == [2048, 1024, 512, 512, 512]
