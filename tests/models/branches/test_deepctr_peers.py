"""With DeepCTR's weights copied in, our layers give DeepCTR's outputs."""

import numpy as np
import pytest
import tf_keras

from models.branches.autoint import AutoInt
from models.branches.bi_interaction import BiInteraction
from models.branches.cin import CIN
from models.branches.cross import Cross
from models.branches.cross_v2 import CrossV2
from models.branches.fm import FM
from models.branches.inner_product import InnerProduct
from models.branches.low_rank_cross_mixture import LowRankCrossMixture


def tokens(num_fields: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, num_fields, 3)).astype("float32")


def flat() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 7)).astype("float32")


def randomized(layer: tf_keras.layers.Layer, x) -> list[np.ndarray]:
    """Gives all weights, zero biases as well, random values; returns them."""
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=v.shape) for v in layer.weights])
    return layer.get_weights()


def assert_same(received, expected) -> None:
    np.testing.assert_allclose(received, np.reshape(expected, received.shape), 1e-5, 1e-5)


def test_fm(peers):
    assert_same(FM()(tokens()), peers.FM()(tokens()))


def test_bi_interaction(peers):
    assert_same(BiInteraction()(tokens()), peers.BiInteractionPooling()(tokens()))


def test_inner_product(peers):
    fields = np.split(tokens(), 4, axis=1)
    assert_same(InnerProduct()(tokens()), peers.InnerProductLayer()(fields))


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("split_half", [True, False], ids=["split", "whole"])
@pytest.mark.parametrize("units", [(5,), (6, 4, 5)], ids=["one_layer", "three_layers"])
def test_cin(peers, units, split_half, activation):
    theirs = peers.CIN(units, activation, split_half)
    randomized(theirs, tokens())
    ours = CIN(units, split_half, activation)
    ours.build((None, 4, 3))
    ours.set_weights([*(kernel[0] for kernel in theirs.filters), *theirs.bias])  # (1, F x H, H')
    assert_same(ours(tokens()), theirs(tokens()))


def test_cross(peers):
    theirs = peers.CrossNet(3, "vector")
    kernels, biases = np.split(np.array(randomized(theirs, flat())), 2)
    ours = Cross(3)
    ours.build((None, 7))
    ours.set_weights([*kernels, *biases[:, :, 0]])
    assert_same(ours(flat()), theirs(flat()))


def test_cross_v2(peers):
    theirs = peers.CrossNet(3, "matrix")
    *weights, b0, b1, b2 = randomized(theirs, flat())
    ours = CrossV2(3)
    ours.build((None, 7))
    ours.set_weights([*(w.T for w in weights), *(b[:, 0] for b in (b0, b1, b2))])
    assert_same(ours(flat()), theirs(flat()))


@pytest.mark.parametrize("num_experts", [1, 4])
def test_low_rank_cross_mixture(peers, num_experts):
    theirs = peers.CrossNetMix(low_rank=3, num_experts=num_experts, layer_num=2)
    randomized(theirs, flat())
    u, v, c = (
        np.array([each.numpy() for each in weights])  # (L, K, D, r), C (L, K, r, r)
        for weights in (theirs.U_list, theirs.V_list, theirs.C_list)
    )
    ours = LowRankCrossMixture(2, num_experts, rank=3, output_units=None)
    ours.build((None, 7))
    ours.kernel_u.assign(u.transpose(0, 1, 3, 2))
    ours.kernel_v.assign(v.transpose(0, 2, 1, 3))
    ours.kernel_c.assign(c.transpose(0, 1, 3, 2))
    ours.kernel_gate.assign(np.concatenate([gate.kernel.numpy() for gate in theirs.gating], axis=1))
    ours.bias.assign([bias.numpy()[:, 0] for bias in theirs.bias])
    assert_same(ours(flat()), theirs(flat()))


@pytest.mark.parametrize("scale", [False, True], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("residual", [True, False], ids=["residual", "no_residual"])
def test_autoint(peers, residual, scale):
    theirs = peers.InteractingLayer(5, 2, residual, scale)
    *qkv, res = [*randomized(theirs, tokens()), None][:4]
    ours = AutoInt(1, 2, 5, residual, scale)
    ours(tokens())
    (layer,) = ours.stack
    layer.kernel_qkv.assign(np.stack([kernel.reshape(3, 2, 5) for kernel in qkv], axis=1))
    if residual:
        layer.kernel_res.assign(res)
    assert_same(ours(tokens()), theirs(tokens()))
