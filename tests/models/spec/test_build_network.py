import pytest
import tensorflow as tf

from features.errors import ConfigError
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from tests.models import small


def build(groups=small.GROUPS, **settings):
    return build_network(NetworkConfig(**{**small.SETTINGS, **settings}), small.INPUTS, groups)


def test_group_names_become_positions():
    assert build().branches["efgc"].groups == ((0, 2), (0, 3, 4))


def test_the_default_network_has_the_papers_sizes():
    network = build_network(NetworkConfig(), small.INPUTS, {"pair": ["user", "item"]})
    shapes = {v.name.split("/", 1)[-1]: tuple(v.shape) for v in network.weights}
    assert shapes["efgc/group_0/linear_0/kernel:0"] == (32, 1024)
    assert shapes["efgc/group_0/linear_1/kernel:0"] == (1024, 128)
    assert shapes["efgc/reduction/linear_0/kernel:0"] == (128, 512)
    assert shapes["cross/kernel_v:0"] == (2, 7 * 16, 2, 16)
    assert shapes["cross/reduction/linear_0/kernel:0"] == (7 * 16, 512)
    deep = [shapes[f"deep/mlp/linear_{i}/kernel:0"] for i in range(5)]
    assert deep == [(7 * 16, 2048), (2048, 1024), (1024, 512), (512, 512), (512, 512)]
    top = [shapes[f"alignment/top/linear_{i}/kernel:0"] for i in range(3)]
    assert top == [(512, 512), (512, 256), (256, 128)]
    assert shapes["transforms:0"] == (3, 128, 128)


@pytest.mark.parametrize("branch", ["efgc", "cross", "deep"])
def test_each_branch_can_stand_alone(branch):
    network = build(
        branches={branch: small.SETTINGS["branches"][branch]}, cooperation={}, heads="fused"
    )
    features, *_ = small.rows(0, 3)
    assert network(features).logit.shape == (3, 1)


def test_tables_per_branch_are_sets_of_one_bank():
    network = build(tables="per_branch", embedding={"embedding_dim": 5})
    assert network.embeddings.layout.num_sets == 3
    assert network.embeddings.tables[0].table.shape[1] == 15
    assert isinstance(network.embeddings.tables[0].table, tf.Variable)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": {}}, "branches.efgc crosses feature groups.*declare none. Declare `groups`"),
        ({"groups": {"g": ["user", "itm"]}}, "group 'g' names feature 'itm'.*Did you mean item?"),
        ({"groups": {"g": []}}, "group 'g' is empty"),
        (
            {"branches": {"deep": {"units": [8]}, "second": {"type": "deep", "units": [4]}}},
            "deep 8, second 4. Set the branches' output units",
        ),
    ],
)
def test_says_what_does_not_fit(change, message):
    with pytest.raises(ConfigError, match=message):
        build(**change)
