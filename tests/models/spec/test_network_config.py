import inspect
import json

import pytest

from features.config import StrictModel, parse
from features.errors import ConfigError
from models.spec import axes
from models.spec.network_config import NetworkConfig


class Run(StrictModel):
    network: NetworkConfig


def read(**settings) -> NetworkConfig:
    return parse(Run, {"network": settings}, "a.yaml").network


def test_the_default_is_mbcnet_with_the_papers_sizes():
    config = NetworkConfig()
    assert config.tables == "shared"
    assert config.heads == "all"
    assert config.fusion.type == "mean"
    assert list(config.branches) == ["efgc", "cross", "deep"]
    assert config.branches["efgc"].options["units"] == [1024, 128]
    assert config.branches["efgc"].options["output_units"] == 512
    cross = config.branches["cross"]
    assert cross.type == "low_rank_cross_mixture"
    assert [cross.options[name] for name in ("num_layers", "num_experts", "rank")] == [2, 2, 16]
    assert cross.options["output_units"] == 512
    assert config.branches["deep"].options["units"] == [2048, 1024, 512, 512, 512]
    assert config.alignment.type == "shared_mlp"
    assert config.alignment.options["units"] == [512, 256, 128]
    assert {name: loss.weight for name, loss in config.cooperation.items()} == {
        "co_teaching": 0.1,
        "moderate_differentiation": 0.1,
    }
    assert config.cooperation["co_teaching"].options["target"] == "soft"
    assert config.cooperation["moderate_differentiation"].options["squared"] is True  # Eq. 14


def test_a_component_is_a_name_or_a_mapping_and_its_type_defaults_to_its_key():
    config = read(
        branches={"deep": {"units": [8]}, "second": {"type": "deep", "units": [4]}, "efgc": None},
        alignment="none",
        cooperation={"mdr": {"type": "moderate_differentiation", "weight": 1, "squared": True}},
    )
    assert config.branches["deep"].type == config.branches["second"].type == "deep"
    assert config.branches["second"].options["units"] == [4]
    assert config.branches["efgc"].type == "efgc"
    assert config.cooperation["mdr"].weight == 1.0
    assert config.cooperation["mdr"].options == {"squared": True}


def test_scale_lengthens_shared_embeddings_and_copies_branches_with_their_own():
    branches = {"a": {"type": "deep", "units": [4]}, "b": {"type": "deep", "copies": 2}}
    shared = read(branches=branches, scale=3)
    assert (shared.field_dim, list(shared.branch_copies)) == (48, ["a", "b_1", "b_2"])
    own = read(branches=branches, tables="per_branch", scale=3)
    assert own.field_dim == 16
    assert list(own.branch_copies.values()) == ["a"] * 3 + ["b"] * 6
    assert len(set(own.table_of.values())) == 9
    with pytest.raises(ConfigError, match=r"tables names the sets one by one.*scale=2"):
        read(branches=branches, tables={"a": "x", "b": "y"}, scale=2)


def test_an_embedding_set_may_have_a_length_of_its_own():
    branches = {"a": {"type": "deep", "units": [4]}, "b": {"type": "deep", "units": [4]}}
    sets = {"tables": "per_branch", "embedding": {"set_dims": {"a": 8}}}
    assert read(branches=branches, **sets).embedding.set_dims == {"a": 8}
    with pytest.raises(ConfigError, match=r"set_dims.c: no embedding set has this name"):
        read(branches=branches, tables="per_branch", embedding={"set_dims": {"c": 8}})
    loss = {"decorrelation": {"weight": 1.0, "at": "input"}}
    with pytest.raises(ConfigError, match=r"dimension by dimension, and set_dims"):
        read(branches=branches, **sets, cooperation=loss)


def test_a_weight_that_rises_is_saved_and_one_that_does_not_is_as_before():
    losses = {"co_teaching": {"weight": 0.1}, "symmetric_kl": {"weight": 1.0, "warmup_steps": 50}}
    config = NetworkConfig(cooperation=losses)
    saved = config.model_dump(mode="json")
    assert "warmup_steps" not in saved["cooperation"]["co_teaching"]
    assert saved["cooperation"]["symmetric_kl"]["warmup_steps"] == 50
    assert NetworkConfig.model_validate(saved) == config
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        NetworkConfig(cooperation={"co_teaching": {"weight": 0.1, "warmup_steps": -1}})


def test_what_is_saved_says_everything_and_reads_back_equal():
    config = read(branches={"deep": {"units": [8]}}, cooperation={}, heads="fused")
    saved = json.loads(config.model_dump_json())
    assert saved["branches"]["deep"] == {
        "type": "deep",
        "units": [8],
        "activation": "relu",
        "dropout": 0.0,
        "batch_norm": False,
    }
    assert read(**saved).model_dump_json() == config.model_dump_json()
    default = NetworkConfig()
    assert read(**json.loads(default.model_dump_json())).model_dump(mode="json") == (
        default.model_dump(mode="json")
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"branches": {"deep": {"unit": [8]}}},
            "network.branches.deep: unit is not an option of Deep. Did you mean units?",
        ),
        (
            {"branches": {"deep": {"units": "wide"}}},
            "network.branches.deep: units: .*Received: 'wide'",
        ),
        (
            {"branches": {"deep": {"dropout": 1.5}}},
            r"network.branches.deep: MLP: `dropout`.*Received: dropout=1.5",
        ),
        (
            {"branches": {"dep": {}}},
            "network.branches.dep: 'dep' is not a type. Did you mean deep?",
        ),
        (
            {"branches": {"efgc": {"groups": [["a"]]}}},
            "network.branches.efgc: groups comes from the data.*Remove it",
        ),
        ({"branches": {"deep": 3}}, "network.branches.deep: expected a name.*Received: 3"),
        ({"branches": {"my deep": "deep"}}, "'my deep' cannot be a name"),
        ({"branches": {}, "cooperation": {}}, "branches is empty.*efgc"),
        ({"branches": {"fused": "deep"}, "cooperation": {}}, "branches.fused.*Choose another"),
        ({"fusion": "median"}, "network.fusion: 'median' is not a type.*mean"),
        ({"fuson": "mean"}, "network.fuson is not a setting. Did you mean network.fusion?"),
        ({"tables": "own"}, "network.tables: .*'shared' or 'per_branch'.*'own'"),
        (
            {"embedding": {"embeding_dim": 3}},
            "embeding_dim is not a setting. Did you mean .*embedding_dim?",
        ),
        ({"embedding": {"embedding_dim": 0}}, "network.embedding.embedding_dim: .*Received: 0"),
        ({"embedding": {"embedding_dim": 10**9}}, "embedding_dim: .*65536.*Received: 1000000000"),
        ({"branches": {"deep": {"units": [8, 10**9]}}}, "units: 1,000,000,000 is more than 65,536"),
        ({"branches": {"deep": {"units": [8] * 257}}}, "units: 257 layers are more than 256"),
        ({"branches": {"cross": {"num_layers": 257}}}, "num_layers: 257 layers are more than 256"),
        (
            {"embedding": {"width": 8}},
            "network.embedding: width is called embedding_dim now. Rename it. Received: width=8.",
        ),
        (
            {"embedding": {"widths": {"item": 2}}},
            "network.embedding: widths is called embedding_dims now. .*widths={'item': 2}",
        ),
        (
            {"cooperation": {"co_teaching": {}}},
            "network.cooperation.co_teaching.weight is required",
        ),
        (
            {"cooperation": {"co_teaching": {"weight": -1}}},
            "cooperation.co_teaching.weight: .*Received: -1",
        ),
        (
            {"cooperation": {"co_teaching": {"weight": 1, "target": "hard"}}},
            "co_teaching: target: .*'soft' or 'positive'.*'hard'",
        ),
        (
            {"branches": {"deep": {}}},
            "cooperation.co_teaching compares branches, and branches has only 'deep'. Add",
        ),
        (
            {"heads": "fused"},
            "cooperation.co_teaching compares the branches' logits.*Set heads to 'all'",
        ),
    ],
)
def test_says_what_is_wrong(settings, message):
    with pytest.raises(ConfigError, match=message):
        read(**settings)


@pytest.mark.parametrize(
    "component",
    [
        each
        for axis in (axes.BRANCHES, axes.ALIGNMENTS, axes.FUSIONS, axes.COOPERATION)
        for each in axis.values()
    ],
    ids=lambda each: each.__name__,
)
def test_every_component_can_be_built_from_a_configuration(component):
    for name, parameter in inspect.signature(component.__init__).parameters.items():
        if name in ("self", "args", "kwargs"):
            continue
        assert name in axes.INJECTED or parameter.default is not parameter.empty, name
    assert component.__doc__.strip()


@pytest.mark.parametrize(
    "settings",
    [
        *({"branches": {n: d}} for n, d in (("efgc", {}), ("deep", {}))),
        {"cooperation": {"co_teaching": {"weight": 0.1, "direction": "all"}}},
        {"cooperation": {"co_teaching": {"weight": 0.1, "direction": "weak_to_strong"}}},
        {"cooperation": {"representation_distance": {"weight": 0.1, "direction": "maximal"}}},
        {"cooperation": {"representation_distance": {"weight": 0.1, "direction": "minimal"}}},
    ],
)
def test_the_papers_ablations_can_be_written_down(settings):
    if "branches" in settings:
        settings = {**settings, "cooperation": {}, "heads": "fused"}
    assert read(**settings)
