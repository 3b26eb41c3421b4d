import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.branches.cross_v2 import CrossV2
from models.branches.low_rank_cross import LowRankCross


def oracle(layer, x):
    """One example at a time, in two steps: down to the rank, up again; x_1 to x_L."""
    rows = []
    for x0 in x.astype("float64"):
        xl, crossed = x0, []
        for v, u, bias in zip(layer.kernels_v, layer.kernels_u, layer.biases, strict=True):
            down = [column @ xl for column in v.numpy().astype("float64").T]
            up = [column @ down for column in u.numpy().astype("float64").T]
            xl = x0 * (np.array(up) + bias.numpy()) + xl
            crossed.append(xl)
        rows.append(crossed)
    return np.array(rows).swapaxes(0, 1)


def built(num_layers: int = 2, rank: int = 2, **settings) -> tuple[LowRankCross, np.ndarray]:
    rng = np.random.default_rng(0)
    layer = LowRankCross(num_layers, rank, **settings)
    layer.build((None, 5))
    layer.set_weights([0.5 * rng.normal(size=v.shape) for v in layer.weights])
    return layer, rng.normal(size=(6, 5)).astype("float32")


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_matches_oracle(num_layers, rank):
    layer, x = built(num_layers, rank)
    h, details = layer(x, return_details=True)
    expected = oracle(layer, x)
    np.testing.assert_allclose(h, expected[-1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(details.intermediates, expected, rtol=1e-4, atol=1e-4)


def test_is_a_stack_of_tfrs_cross_layers():
    layer, x = built(num_layers=3)
    xl = x
    for v, u, bias in zip(layer.kernels_v, layer.kernels_u, layer.biases, strict=True):
        peer = tfrs.layers.feature_interaction.Cross(projection_dim=2)
        peer(x, xl)
        peer.set_weights([v.numpy(), u.numpy(), bias.numpy()])
        xl = peer(x, xl)
    np.testing.assert_allclose(layer(x), xl, rtol=1e-5, atol=1e-5)


def test_is_the_full_cross_network_with_the_product_of_its_matrices():
    layer, x = built(num_layers=2)
    full = CrossV2(2)
    full.build((None, 5))
    products = [v @ u for v, u in zip(layer.kernels_v, layer.kernels_u, strict=True)]
    full.set_weights([*products, *layer.biases])
    np.testing.assert_allclose(layer(x), full(x), rtol=1e-4, atol=1e-5)


def test_keeps_the_residual():
    layer, x = built()
    layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    np.testing.assert_array_equal(layer(x), x)


def test_starts_glorot_normal():
    layer = LowRankCross(num_layers=1, rank=30)
    layer.build((None, 170))
    for kernel in (*layer.kernels_v, *layer.kernels_u):
        assert kernel.numpy().std() == pytest.approx(np.sqrt(2 / 200), rel=0.1)
    assert not layer.biases[0].numpy().any()


def test_has_three_layers_of_rank_32_unless_told_otherwise():
    layer = LowRankCross()
    layer(tf.zeros((1, 4)))
    shapes = [v.shape.as_list() for v in layer.weights]
    assert shapes == [[4, 32]] * 3 + [[32, 4]] * 3 + [[4]] * 3
    assert LowRankCross.takes == "flat"
    assert LowRankCross.exposes_intermediates


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match=r"Received: rank=0. A quarter of the input's width"):
        LowRankCross(rank=0)
    with pytest.raises(ValueError, match=r"LowRankCross: .*num_layers=0"):
        LowRankCross(num_layers=0)
