import numpy as np
import pytest
import tensorflow as tf

from models.branches.low_rank_cross_mixture import LowRankCrossMixture


def oracle(layer, x, num_layers=None):
    """Section 5.3, one example and one expert at a time, the gate outside of the expert."""
    num_layers = layer.num_layers if num_layers is None else num_layers
    v, c, u, a, bias = (
        each.numpy().astype("float64")
        for each in (
            layer.kernel_v,
            layer.kernel_c,
            layer.kernel_u,
            layer.kernel_gate,
            layer.bias,
        )
    )
    rows = []
    for x0 in x.astype("float64"):
        xl = x0
        for l in range(num_layers):  # noqa: E741
            score = np.exp(xl @ a)
            mixed = np.zeros_like(x0)
            for i in range(layer.num_experts):
                h = np.tanh(xl @ v[l][:, i])
                h = np.tanh(h @ c[l, i])
                mixed += score[i] / score.sum() * (x0 * (h @ u[l, i] + bias[l]))
            xl = mixed + xl
        rows.append(xl)
    return np.array(rows)


def built(**settings) -> tuple[LowRankCrossMixture, np.ndarray]:
    rng = np.random.default_rng(0)
    layer = LowRankCrossMixture(**{"rank": 3, "output_units": None, **settings})
    layer.build((None, 7))
    # A bias that is not 0: it must come out whole, although the gates are folded in before it.
    layer.set_weights([rng.normal(size=v.shape) for v in layer.weights])
    return layer, rng.normal(size=(6, 7)).astype("float32")


@pytest.mark.parametrize("num_experts", [1, 2, 4])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_matches_oracle(num_layers, num_experts):
    layer, x = built(num_layers=num_layers, num_experts=num_experts)
    np.testing.assert_allclose(layer(x), oracle(layer, x), rtol=2e-4, atol=1e-4)


def test_shows_the_output_of_each_layer():
    layer, x = built(num_layers=3)
    h, details = layer(x, return_details=True)
    assert layer.exposes_intermediates
    assert len(details.intermediates) == 3
    for i, received in enumerate(details.intermediates, start=1):
        np.testing.assert_allclose(received, oracle(layer, x, i), rtol=2e-4, atol=1e-4)
    np.testing.assert_array_equal(details.intermediates[-1], h)


def test_crosses_without_the_output_layer_too():
    layer, x = built(output_units=4)
    np.testing.assert_allclose(layer.cross(tf.constant(x)), oracle(layer, x), rtol=2e-4, atol=1e-4)


def test_keeps_the_residual():
    layer, x = built()
    layer.set_weights([np.zeros(v.shape) for v in layer.weights])
    np.testing.assert_array_equal(layer(x), x)  # nothing is crossed, and x_0 is still there


def test_a_zero_embedding_stays_zero():
    layer, x = built()
    np.testing.assert_array_equal(layer(np.zeros_like(x)), np.zeros_like(x))


def test_the_output_layer_is_a_relu_of_x_l():
    layer = LowRankCrossMixture(rank=3, output_units=4)
    x = np.random.default_rng(0).normal(size=(6, 7)).astype("float32")
    received = layer(x)
    kernel, bias = layer.reduction.get_weights()
    expected = np.maximum(oracle(layer, x) @ kernel + bias, 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_starts_glorot_normal():
    layer = LowRankCrossMixture(rank=32, num_experts=3)
    layer.build((None, 400))
    for variable, fans in (
        (layer.kernel_v, 432),
        (layer.kernel_u, 432),
        (layer.kernel_c, 64),
        (layer.kernel_gate, 401),
    ):
        assert variable.numpy().std() == pytest.approx(np.sqrt(2 / fans), rel=0.1)
    assert not layer.bias.numpy().any()


def test_defaults_are_the_papers_sizes():
    layer = LowRankCrossMixture()
    layer(tf.zeros((1, 3)))
    assert layer.kernel_v.shape == (2, 3, 2, 16)  # layers, width, experts, rank
    assert layer.kernel_u.shape == (2, 2, 16, 3)
    assert layer.reduction.units == (512,)
    assert LowRankCrossMixture.takes == "flat"


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="rank=0"):
        LowRankCrossMixture(rank=0)
