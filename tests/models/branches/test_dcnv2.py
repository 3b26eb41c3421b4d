import numpy as np
import pytest

from models.branches.cross_v2 import CrossV2
from models.branches.dcnv2 import DCNv2
from models.branches.low_rank_cross import LowRankCross
from models.branches.low_rank_cross_mixture import LowRankCrossMixture
from tests.models.branches.oracles import embedded, examples, mlp, with_random_weights


def weights(cross, name):
    return [each.numpy().astype("float64") for each in getattr(cross, name)]


def full(cross, layer, x0, xl):
    w, b = weights(cross, "kernels")[layer], weights(cross, "biases")[layer]
    return x0 * (xl @ w + b) + xl


def low_rank(cross, layer, x0, xl):
    v, u = weights(cross, "kernels_v")[layer], weights(cross, "kernels_u")[layer]
    return x0 * (xl @ v @ u + weights(cross, "biases")[layer]) + xl


def mixture(cross, layer, x0, xl):
    v, c, u, b = (
        weights(cross, name)[layer] for name in ("kernel_v", "kernel_c", "kernel_u", "bias")
    )
    score = np.exp(xl @ cross.kernel_gate.numpy().astype("float64"))
    experts = [
        x0 * (np.maximum(np.maximum(xl @ v[:, i], 0.0) @ c[i], 0.0) @ u[i] + b)
        for i in range(len(c))
    ]
    return sum(s * e for s, e in zip(score / score.sum(), experts, strict=True)) + xl


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("step", [full, low_rank, mixture], ids=lambda step: step.__name__)
def test_matches_oracle(step, structure):
    x = embedded(fields=3, width=2)
    layer = DCNv2(
        [5, 4],
        structure,
        step.__name__,
        num_layers=2,
        rank=3,
        num_experts=2,
        cross_activation="relu",
        dropout=0.0,
        batch_norm=False,
    )
    with_random_weights(layer, x)
    expected, shown = [], []
    for tokens, _ in examples(x):
        x0 = xl = tokens.ravel()
        layers = []
        for l in range(2):  # noqa: E741
            xl = step(layer.cross, l, x0, xl)
            layers.append(xl)
        beside = [xl, mlp(layer.mlp, x0)]
        expected.append(np.concatenate(beside) if structure == "parallel" else mlp(layer.mlp, xl))
        shown.append(layers)
    received, details = layer(x, return_details=True)
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)
    for k, each in enumerate(details.intermediates):
        np.testing.assert_allclose(each, [layers[k] for layers in shown], rtol=1e-3, atol=1e-3)
    assert len(details.intermediates) == 2


@pytest.mark.parametrize(
    ("cross", "cls"),
    [("full", CrossV2), ("low_rank", LowRankCross), ("mixture", LowRankCrossMixture)],
)
def test_the_cross_network_gets_its_options(cross, cls):
    layer = DCNv2(cross=cross, num_layers=5, rank=7, num_experts=3).cross
    assert type(layer) is cls
    assert (layer.num_layers, layer.output_units) == (5, None)
    assert cross == "full" or layer.rank == 7
    assert cross != "mixture" or (layer.num_experts, layer.activation) == (3, "tanh")


def test_defaults_are_those_of_bars():
    layer = DCNv2()
    options = layer.mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 5, 0.1, True)
    assert (layer.structure, layer.cross.num_layers, type(layer.cross)) == ("parallel", 3, CrossV2)


@pytest.mark.parametrize("options", [{"structure": "serial"}, {"cross": "moe"}])
def test_refuses_unknown_kinds(options):
    with pytest.raises(ValueError, match=r"parallel, stacked.*full, low_rank, mixture.*Received"):
        DCNv2(**options)
