"""Branches of unequal widths side by side, MLPs in front of heads, and L2 on dense weights."""

import numpy as np
import pytest

from features.errors import ConfigError
from models.metrics import CrossExpertCorrelation, unit_counts
from models.metrics.unit_counts import unit_ranges
from models.network import CooperativeNetwork
from tests.models import small

SETTINGS = {
    "branches": {"deep": {"units": [5]}, "cross": {"type": "cross_v2", "output_units": 8}},
    "alignment": "none",
    "fusion": {"type": "confidence", "combine": "concat"},
    "projection": {"units": [3], "activation": "tanh"},
    "cooperation": {"symmetric_kl": {"weight": 0.5}},
    "dense_l2": 0.2,
}


@pytest.fixture(scope="module")
def network() -> CooperativeNetwork:
    return small.network(**SETTINGS)


def test_the_fused_logit_reads_every_unit_of_every_branch_once(network):
    x, *_ = small.rows(0, 6)
    outputs = network(x)
    assert outputs.representations.shape == (6, 2, 8)
    assert not outputs.representations[:, 0, 5:].numpy().any()
    kernel, bias = network.head_layers["fused"].get_weights()
    assert kernel.shape == (5 + 8, 1)
    z, w = outputs.representations.numpy(), outputs.fusion_weights.numpy()
    for row in range(6):
        side_by_side = [*(w[row, 0] * z[row, 0, :5]), *(w[row, 1] * z[row, 1])]
        expected = np.dot(side_by_side, kernel[:, 0]) + bias[0]
        np.testing.assert_allclose(outputs.logit[row, 0], expected, rtol=1e-4)


def test_a_projection_stands_between_a_representation_and_its_logit(network):
    x, *_ = small.rows(0, 6)
    outputs = network(x)
    for i, (name, width) in enumerate((("deep", 5), ("cross", 8))):
        (linear,) = network.projections[name].linears
        kernel, bias = linear.get_weights()
        assert kernel.shape == (width, 3)
        hidden = np.tanh(outputs.representations[:, i, :width].numpy() @ kernel + bias)
        kernel, bias = network.head_layers[name].get_weights()
        expected = (hidden @ kernel + bias)[:, 0]
        np.testing.assert_allclose(outputs.branch_logits[:, i], expected, rtol=1e-4, atol=1e-6)


def test_the_l2_of_dense_weights_leaves_the_embeddings_out(network):
    x, labels, _ = small.rows(0, 6)
    terms = network.loss_terms(network(x), labels)
    squares = [
        np.sum(np.square(weight.numpy().astype("float64")))
        for weight in network.trainable_weights
        if not any(weight is each for each in network.embeddings.trainable_weights)
    ]
    assert len(squares) == 2 * (1 + 4 + 2 + 3)  # of deep, cross, projections and heads
    np.testing.assert_allclose(terms["dense_l2"], 0.2 / 2 * sum(squares), rtol=1e-5)


def test_units_that_a_narrower_branch_does_not_have_are_not_counted(network):
    x, *_ = small.rows(0, 60)
    z = network(x).representations.numpy()
    ranges = unit_ranges(z, network.widths)
    counts = unit_counts(ranges["unit_low"][0], ranges["unit_high"][0])
    dead = [int(np.sum(~z[:, 0, :5].any(axis=0))), int(np.sum(~z[:, 1].any(axis=0)))]
    assert counts.dead.tolist() == dead
    z += np.random.default_rng(0).normal(size=z.shape) * (np.arange(8) < [[5], [8]])
    metric = CrossExpertCorrelation(widths=network.widths)
    metric.update_state(z)
    whole = np.abs(np.corrcoef(z[:, 0, :5].T, z[:, 1].T)[:5, 5:])
    np.testing.assert_allclose(metric.result(), whole.mean(), rtol=1e-9)
    assert metric.constant_units().numpy().tolist() == [0, 0]


def test_a_copy_from_its_configuration_says_the_same(network):
    copy = CooperativeNetwork.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    x, labels, _ = small.rows(0, 6)
    received, expected = copy(x), network(x)
    np.testing.assert_array_equal(received.branch_logits, expected.branch_logits)
    assert copy.loss_terms(received, labels)["dense_l2"] > 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": "mean"}, "deep 5, cross 8.*side by side: fusion concat"),
        ({"fusion": {"type": "confidence", "combine": "sum"}}, "deep 5, cross 8"),
        (
            {"cooperation": {"decorrelation": {"weight": 0.1}}},
            "loss 'decorrelation'.*deep 5, cross 8",
        ),
    ],
)
def test_what_compares_or_adds_representations_wants_one_width(change, message):
    with pytest.raises(ConfigError, match=message):
        small.network(**SETTINGS | change)


def test_without_heads_there_is_nothing_to_project():
    with pytest.raises(ValueError, match=r"projection stands in front.*projection to null"):
        small.network(**SETTINGS | {"heads": "fused", "fusion": "concat", "cooperation": {}})


def test_a_step_moves_every_weight(network):
    small.assert_every_weight_is_moved(network)
