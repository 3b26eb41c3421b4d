import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.self_masked_projection import SelfMaskedProjection
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


def test_matches_oracle():
    x = np.random.default_rng(1).normal(size=(6, 5, 4)).astype("float32")
    layer = SelfMaskedProjection(3)
    layer(x)
    randomize(layer)
    expected = [oracle.self_masked_projection(layer, each) for each in x.astype("float64")]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_padding_stays_zero():
    layer = SelfMaskedProjection(3)
    layer(tf.zeros((2, 5, 4)))
    randomize(layer)
    np.testing.assert_array_equal(layer(tf.zeros((2, 5, 4))), np.zeros((2, 5, 3)))


def test_starts_proportional_to_the_steps_not_to_their_squares():
    x = np.random.default_rng(1).normal(size=(6, 5, 4)).astype("float32")
    layer = SelfMaskedProjection(3)
    large, small = layer(1e-2 * x), layer(1e-4 * x)
    np.testing.assert_allclose(100.0 * small, large, rtol=0.3, atol=1e-3)
    np.testing.assert_array_equal(layer.mask.bias, np.ones(4))


def test_refuses_no_width():
    with pytest.raises(ValueError, match="width=0"):
        SelfMaskedProjection(0)
