import numpy as np
import pytest

from models.branches.dcn import DCN
from tests.models.branches.oracles import embedded, examples, mlp, with_random_weights


@pytest.mark.parametrize("num_layers", [1, 3])
def test_matches_oracle(num_layers):
    x = embedded()
    layer = with_random_weights(DCN([5, 4], num_layers, dropout=0.0), x)
    expected, shown = [], []
    for tokens, _ in examples(x):
        x0 = xl = tokens.ravel()
        layers = []
        for w, b in zip(layer.cross.kernels, layer.cross.biases, strict=True):
            xl = x0 * float(xl @ w.numpy().astype("float64")[:, 0]) + b.numpy() + xl
            layers.append(xl)
        expected.append(np.concatenate([xl, mlp(layer.mlp, x0)]))
        shown.append(layers)
    received, details = layer(x, return_details=True)
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)
    for k, each in enumerate(details.intermediates):
        np.testing.assert_allclose(each, [layers[k] for layers in shown], rtol=1e-3, atol=1e-3)
    assert len(details.intermediates) == num_layers


def test_defaults_are_those_of_bars():
    layer = DCN()
    options = layer.mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 5, 0.2, False)
    assert layer.cross.num_layers == 4
    assert layer.cross.output_units is None


def test_refuses_a_network_without_layers():
    with pytest.raises(ValueError, match="num_layers=0"):
        DCN(num_layers=0)
