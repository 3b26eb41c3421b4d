"""Features and histories may be called anything: their names must be none of TensorFlow's."""

import re
from dataclasses import replace

from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from tests.models.small import INPUTS

ODD = "%s 日本 (größe) 50%%: a>b | {x}/y"
SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*:0")
ALIGNMENT = {"type": "mlp_per_branch", "units": [4]}
BRANCHES = {
    "din": {"units": [4]},
    "dien": {"units": [4]},
    "interformer": {"num_layers": 1},
}


def test_every_weight_has_a_name_that_a_graph_takes():
    inputs = [
        replace(
            each,
            name=ODD % each.name,
            vocabulary=each.vocabulary and ODD % each.vocabulary,
            history=each.history and ODD % each.history,
        )
        for each in INPUTS
    ]
    config = NetworkConfig(
        embedding={"embedding_dim": 4}, branches=BRANCHES, cooperation={}, alignment=ALIGNMENT
    )
    network = build_network(config, inputs, {})
    assert [each.name for each in network.weights if not SCOPE.fullmatch(each.name)] == []
