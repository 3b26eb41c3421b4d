import numpy as np

from models.branches.ipnn import IPNN
from tests.models.branches.oracles import embedded, examples, mlp, pairs, with_random_weights


def test_matches_oracle():
    x = embedded()
    layer = with_random_weights(IPNN([5, 4], dropout=0.0), x)
    expected = [
        mlp(layer.mlp, np.concatenate([tokens.ravel(), [a @ b for a, b in pairs(tokens)]]))
        for tokens, _ in examples(x)
    ]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_defaults_are_those_of_bars():
    options = IPNN().mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 2, 0.2, False)
    assert not IPNN().uses_first_order
