import numpy as np
import pytest

from models.layers.token_linear import TokenLinear
from tests.models.branches.dhen import interaction_oracle as oracle


def test_matches_oracle():
    x = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    layer = TokenLinear(4)
    received = layer(x)
    expected = [oracle.token_linear(layer, each) for each in x.astype("float64")]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_has_no_bias_and_starts_glorot_normal():
    layer = TokenLinear(300)
    layer.build((None, 500, 2))
    assert [v.shape for v in layer.weights] == [(500, 300)]
    assert layer.kernel.numpy().std() == pytest.approx(np.sqrt(2 / 800), rel=0.05)


def test_refuses_no_tokens():
    with pytest.raises(ValueError, match="num_tokens=0"):
        TokenLinear(0)
