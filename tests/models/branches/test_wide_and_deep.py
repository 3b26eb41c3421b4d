import numpy as np

from models.branches.wide_and_deep import WideAndDeep
from tests.models.branches.oracles import embedded, examples, mlp, with_random_weights


def test_matches_oracle():
    x = embedded()
    layer = with_random_weights(WideAndDeep([5, 4], dropout=0.0), x)
    (bias,) = layer.parts["wide"][0].get_weights()
    expected = [
        np.concatenate([first_order.sum() + bias, mlp(layer.mlp, tokens.ravel())])
        for tokens, first_order in examples(x)
    ]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_defaults_are_those_of_bars():
    options = WideAndDeep().mlp.options()
    assert options == {
        "units": [1000] * 5,
        "activation": "relu",
        "dropout": 0.2,
        "batch_norm": False,
    }
    assert WideAndDeep.takes == "embedded"
