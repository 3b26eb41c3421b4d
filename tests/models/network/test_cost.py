"""Costs against counts by hand."""

from features.inputs import InputSpec
from models.network.cost import flops_by_layer, flops_per_example, parameters_by_part
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig

INPUTS = (
    InputSpec("user", "categorical", "user", 10),
    InputSpec("item", "categorical", "item", 20),
    InputSpec("seen", "sequence", "item", 20, length=7),
)
MLP = 12 * 5 + 5  # three tokens of width 4 to five units


def build(**settings):
    settings = {
        "embedding": {"embedding_dim": 4},
        "alignment": "none",
        "cooperation": {},
        **settings,
    }
    return build_network(NetworkConfig(**settings), INPUTS, {})


def test_parameters_are_those_of_each_part():
    network = build(
        branches={"a": {"type": "deep", "units": [5], "copies": 2}}, tables="per_branch"
    )
    assert parameters_by_part(network) == {
        "embeddings": 30 * 8,
        "branch a_1": MLP,
        "branch a_2": MLP,
        "head a_1": 6,
        "head a_2": 6,
        "head fused": 6,
    }


def test_a_layer_with_several_names_counts_once():
    branch = {"type": "deep", "units": [5], "copies": 2, "share_weights": True}
    counts = parameters_by_part(build(branches={"a": branch}, tables="per_branch"))
    assert [name for name in counts if name.startswith("branch")] == ["branch a_1"]


def test_what_only_training_needs_costs_no_flops():
    branches = {"a": {"type": "deep", "units": [5]}, "b": {"type": "deep", "units": [5]}}
    # Two branches and the fused head; the branches' own heads are read by losses only.
    assert flops_per_example(build(branches=branches)) == 2 * (2 * 12 * 5) + 2 * 5


def test_flops_are_told_apart_by_layer():
    branches = {"a": {"type": "deep", "units": [5]}, "b": {"type": "deep", "units": [7, 5]}}
    network = build(branches=branches)
    flops = flops_by_layer(network)
    names = {name: branch.name for name, branch in network.branches.items()}
    assert flops[names["a"]] == 2 * 12 * 5
    assert flops[names["b"]] == 2 * (12 * 7 + 7 * 5)
    assert sum(flops.values()) == flops_per_example(network)


def test_every_matrix_product_counts():
    branch = {
        "type": "low_rank_cross_mixture",
        "num_layers": 1,
        "num_experts": 3,
        "rank": 2,
        "output_units": None,
    }
    down, core, up = 12 * (3 * 2 + 3), (3 * 2) ** 2, (3 * 2 + 1) * 12  # the bias is a row of `up`
    flops = flops_per_example(build(branches={"a": branch}, heads="fused"))
    assert flops == 2 * (down + core + up) + 2 * 12


def test_batched_products_count():
    fields, width = 3, 4
    pairs, maps = fields * fields * width, fields * fields * 5
    flops = flops_per_example(build(branches={"a": {"type": "cin", "units": [5]}}, heads="fused"))
    assert flops == 2 * (pairs + maps) + 2 * 5


def test_a_recurrent_layer_counts_as_often_as_it_runs():
    def flops(length):
        inputs = (*INPUTS[:2], InputSpec("seen", "sequence", "item", 20, length=length))
        config = NetworkConfig(
            embedding={"embedding_dim": 4},
            alignment="none",
            cooperation={},
            heads="fused",
            branches={"dien": {"type": "dien", "units": [5]}},
        )
        return flops_per_example(build_network(config, inputs, {}))

    # A step: two recurrent layers of width 4, three gates each; <h_t, W q> of the attention.
    step = 2 * (2 * 4 * 12 + 2 * 4 * 12) + 2 * 4
    assert flops(6) - flops(4) == 2 * step
    assert flops(4) - flops(2) == 2 * step
