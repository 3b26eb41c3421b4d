import numpy as np
import pytest

from models.branches.xdeepfm import XDeepFM
from tests.models.branches.oracles import embedded, examples, mlp, with_random_weights


def oracle(layer, tokens, first_order):
    """y_lin | CIN with half of the maps handed on, one product at a time | MLP."""
    cin, ((fields, width), pooled) = layer.cin, (tokens.shape, [])
    (wide_bias,) = layer.parts["wide"][0].get_weights()
    before = tokens
    for k, maps in enumerate(cin.units):
        kernel, bias = cin.kernels[k].numpy().astype("float64"), cin.biases[k].numpy()
        x = np.tile(bias[:, np.newaxis], width).astype("float64")
        for h in range(maps):
            for i in range(fields):
                for j in range(len(before)):
                    x[h] += kernel[i * len(before) + j, h] * tokens[i] * before[j]
        x = np.tanh(x)
        last = k == len(cin.units) - 1
        pooled.append((x if last else x[maps // 2 :]).sum(axis=1))
        before = x[: maps // 2]
    deep = mlp(layer.mlp, tokens.ravel())
    return np.concatenate([first_order.sum() + wide_bias, *pooled, deep]), pooled


def test_matches_oracle():
    x = embedded()
    layer = XDeepFM([5], [4, 2], cin_split_half=True, cin_activation="tanh", dropout=0.0)
    with_random_weights(layer, x)
    expected, pooled = zip(*[oracle(layer, *each) for each in examples(x)], strict=True)
    received, details = layer(x, return_details=True)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    for k, shown in enumerate(details.intermediates):
        np.testing.assert_allclose(shown, [each[k] for each in pooled], rtol=1e-4, atol=1e-4)
    assert len(details.intermediates) == 2


def test_defaults_are_those_of_bars():
    layer = XDeepFM()
    options = layer.mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 5, 0.2, False)
    assert (layer.cin.units, layer.cin.split_half, layer.cin.activation) == (
        (64, 64, 64),
        False,
        "linear",
    )


def test_refuses_maps_that_cannot_be_halved():
    with pytest.raises(ValueError, match=r"must be even.*units=\[3, 2\]"):
        XDeepFM([5], [3, 2], cin_split_half=True)
