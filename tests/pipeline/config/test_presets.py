"""Presets say what they are, and rows of a paper's table change what they say."""

import itertools
from pathlib import Path

import pytest
import tf_keras

from features.errors import ConfigError
from features.inputs import placeholder_inputs
from models.network.cost import parameters_by_part
from models.spec.build_network import build_network
from pipeline.config.config_files import load_config, load_preset
from pipeline.config.shipped_files import preset_file, preset_names, preset_title

DATASET = Path(__file__).parents[3] / "configs/movielens_100k/dataset.yaml"


def test_every_preset_says_what_it_is_in_a_line():
    for name in preset_names():
        assert preset_file(name).read_text("utf-8").startswith("# ")
        assert 10 < len(preset_title(name)) <= 100, name


def test_the_models_of_the_papers_are_there():
    named = "dnn wide_and_deep deepfm xdeepfm dcn dcnv2 dcnv2_stacked crossnet_v2 nfm ipnn finalmlp"
    named += " autoint masknet dhen interformer wukong din dien mmoe_plus"
    named += " efgc enkd kdef mbcnet cetnet dmoe"
    assert set(named.split()) <= set(preset_names())


def test_a_preset_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'cetnt' is not a preset. Did you mean cetnet\?"):
        load_config(DATASET, ["model.preset=cetnt"])


@pytest.mark.parametrize(
    ("row", "width"),
    [
        ("dnn", 128),
        ("wide_and_deep", 128 + 1),  # and the first order
        ("finalmlp", 2 * 128 + 2),  # both streams, and a product of each head
        ("dcnv2", 128),
    ],
)
def test_the_models_of_mbcnets_table_3_end_in_128_units_without_dropout(row, width):
    features = load_config(DATASET, check=False).feature_set
    config = load_preset(f"mbcnet/table_3_{row}")
    network = build_network(config, placeholder_inputs(features), features.groups)
    kernel, _ = (weight for weight in network.trainable_weights if "head_fused" in weight.name)
    assert kernel.shape == (width, 1)
    assert not [layer for layer in network.submodules if isinstance(layer, tf_keras.layers.Dropout)]


def test_d_moe_of_three_unlike_experts_has_the_weights_of_the_paper():
    features = load_config(DATASET, check=False).feature_set
    config = load_preset("dmoe/hetero_3_me_corr")
    network = build_network(config, placeholder_inputs(features), features.groups)
    dimension, fields = 16, len(features.inputs)
    width = fields * dimension

    def mlp(*units: int) -> int:
        return sum(a * b + b for a, b in itertools.pairwise(units))

    assert parameters_by_part(network) | {"embeddings": 0} == {
        "embeddings": 0,
        "branch cin": mlp(fields * fields, 276),
        "branch dcn": 3 * mlp(width, width),
        "branch dnn": mlp(width, 500, 500, 500),
        "alignment": mlp(276, 500) + mlp(width, 500) + mlp(500, 500),
        "fusion": mlp(width, 64, 3),
        "tower": mlp(500, 500),
        "head fused": mlp(500, 1),
    }


@pytest.mark.parametrize("model", ["dnn", "ipnn", "dcnv2"])
def test_multi_embedding_of_cetnets_table_4_shares_all_behind_the_first_layer(model):
    """Batch normalisation has two numbers a unit, and no bias in front of it."""
    features = load_config(DATASET, check=False).feature_set
    config = load_preset(f"cetnet/{model}_2x_multi_embedding")
    network = build_network(config, placeholder_inputs(features), features.groups)
    fields = len(features.inputs)
    width = 10 * fields
    read = {"dnn": width, "ipnn": fields * (fields - 1) // 2, "dcnv2": width}[model]
    crosses = {"dcnv2": 4 * (width * width + width)}.get(model, 0)
    counts = parameters_by_part(network)
    assert counts.pop("tower") == 400 * 400 + 2 * 400
    assert counts.pop("head fused") == 400 + 1
    counts.pop("embeddings")
    assert sum(counts.values()) == 2 * (crosses + read * 400 + 2 * 400)


def test_multi_embedding_of_finalmlp_has_one_bilinear_form_behind_the_mean_of_the_streams():
    features = load_config("criteo_x1/dataset", check=False).feature_set
    config = load_preset("cetnet/finalmlp_2x_multi_embedding")
    counts = parameters_by_part(build_network(config, placeholder_inputs(features), {}))
    stream = 390 * 400 + 400 * 400 + 2 * (400 + 400)  # 39 fields of 10; two numbers a unit
    assert counts | {"embeddings": 0} == {
        "embeddings": 0,
        "branch finalmlp_1": 2 * stream,
        "branch finalmlp_2": 2 * stream,
        "fusion": 400 * 400,
        "head fused": 800 + 1 + 1,
    }


@pytest.mark.parametrize("row", ["concat", "multi_embedding"])
def test_one_setting_says_how_many_times_the_embeddings_of_cetnets_table_4(row):
    settings = [f"model.preset=cetnet/dcnv2_2x_{row}", "model.scale=10"]
    scaled = load_config(DATASET, settings).model
    assert (len(set(scaled.table_of.values())), scaled.field_dim) == (10, 10)
    settings = ["model.preset=cetnet/dcnv2_2x_single_embedding", "model.scale=10"]
    single = load_config(DATASET, settings).model
    assert (list(single.branch_copies), single.field_dim) == (["dcnv2"], 100)


@pytest.mark.parametrize("model", ["dnn", "ipnn", "dcnv2", "finalmlp"])
def test_rows_of_cetnets_table_4_see_the_39_fields_of_criteo_apart(model):
    features = load_config("criteo_x1/dataset", check=False).feature_set
    config = load_preset(f"cetnet/{model}_2x_single_embedding")
    network = build_network(config, placeholder_inputs(features), {})
    kernels = {weight.shape[0] for weight in network.trainable_weights if weight.shape[-1] == 400}
    assert len(network.embeddings.layout.field_names) == 39
    assert (741 if model == "ipnn" else 39 * 20) in kernels


@pytest.mark.parametrize("model", ["dnn", "ipnn", "dcnv2", "finalmlp"])
def test_the_rows_of_cetnets_table_4_regularise_alike_and_keep_numbers_apart(model):
    config = load_preset(f"cetnet/{model}_2x_concat")
    shown = flattened(config.model_dump(mode="json"))
    assert config.embedding.numeric == load_preset("dnn").embedding.numeric
    for option, value in (("dropout", 0.2), ("batch_norm", True)):
        found = {key: each for key, each in shown.items() if option in key}
        assert found
        assert set(found.values()) == {value}, found


def test_the_pupil_of_mbcnets_table_3_is_the_dnn_of_that_table():
    pupil, dnn = (load_preset(f"mbcnet/table_3_{row}") for row in ("enkd", "dnn"))
    assert pupil.branches == dnn.branches
    assert list(pupil.cooperation) == ["ensemble_distillation"]


# What each ablation row changes in its parent, by hand from the papers' tables.
ROWS = {
    "mbcnet/without_efgc": ("mbcnet", {"branches.efgc": None}),
    "mbcnet/without_cross": ("mbcnet", {"branches.cross": None}),
    "mbcnet/without_deep": ("mbcnet", {"branches.deep": None}),
    "mbcnet/without_co_teaching": ("mbcnet", {"cooperation.co_teaching": None}),
    "mbcnet/without_differentiation": ("mbcnet", {"cooperation.moderate_differentiation": None}),
    "mbcnet/without_cooperation": ("mbcnet", {"cooperation": {}}),
    "mbcnet/no_discrimination": ("mbcnet", {"cooperation.co_teaching.direction": "all"}),
    "mbcnet/weak_to_strong": ("mbcnet", {"cooperation.co_teaching.direction": "weak_to_strong"}),
    "mbcnet/max_difference": ("mbcnet", {"cooperation.representation_distance": "maximal"}),
    "mbcnet/min_difference": ("mbcnet", {"cooperation.representation_distance": "minimal"}),
    "mbcnet/with_fm": ("mbcnet", {"branches.fm": "fm"}),
    "mbcnet/with_wide": ("mbcnet", {"branches.wide": "wide"}),
    "mbcnet/with_fm_and_wide": ("mbcnet", {"branches.fm": "fm", "branches.wide": "wide"}),
    "cetnet/without_confidence": ("cetnet", {"fusion.type": "concat"}),
    "cetnet/without_kl": ("cetnet", {"cooperation": {}}),
    "cetnet/without_multi_embedding": ("cetnet", {"tables": "shared"}),
    "cetnet/without_gradient_stop": ("cetnet", {"fusion.stop_gradient": False}),
    "cetnet/single_embedding_concat": (
        "cetnet",
        {"tables": "shared", "fusion.type": "concat", "cooperation": {}, "heads": "fused"},
    ),
    "cetnet/multi_embedding_concat": (
        "cetnet",
        {"fusion.type": "concat", "cooperation": {}, "heads": "fused"},
    ),
    "dmoe/xdeepfm_3_me_corr": ("dmoe/xdeepfm_me_corr", {"branches.xdeepfm.copies": 3}),
    "dmoe/xdeepfm_3_me": ("dmoe/xdeepfm_3_me_corr", {"cooperation": {}}),
    "dmoe/hetero_3_me_corr": ("dmoe", {"branches.dnn": "deep"}),
    "dmoe/hetero_3_me": ("dmoe/hetero_3_me_corr", {"cooperation": {}}),
    "dmoe/criteo_cin_dcn": (
        "dmoe",
        {"embedding.embedding_dim": 10, "branches.cin.units": [16, 16]},
    ),
    **{
        f"dmoe/criteo_{model}_{row}": (f"dmoe/criteo_{parent}", change)
        for model, parent in (("cin_dcn", "cin_dcn"), ("xdeepfm", "xdeepfm_me_corr"))
        for row, change in (
            ("me", {"cooperation": {}}),
            ("se", {"cooperation": {}, "tables": "shared"}),
        )
    },
    **{
        f"dmoe/criteo_xdeepfm_{row}": (
            f"dmoe/xdeepfm_{row}",
            {"embedding.embedding_dim": 10, "branches.xdeepfm.cin_units": [16, 16]},
        )
        for row in ("me_corr", "single")
    },
    "dmoe/cin_dcn_me": ("dmoe", {"cooperation": {}}),
    "dmoe/cin_dcn_se": ("dmoe", {"cooperation": {}, "tables": "shared"}),
    **{
        f"dmoe/{expert}_{row}": (f"dmoe/{expert}_me_corr", change)
        for expert in ("nfm", "deepfm", "crossnet", "dcnv2", "xdeepfm")
        for row, change in (
            ("me", {"cooperation": {}}),
            ("se", {"cooperation": {}, "tables": "shared"}),
        )
    },
    **{
        f"dmoe/{expert}_{at}": (f"dmoe/{expert}_me_corr", {"cooperation.decorrelation.at": at})
        for expert in ("crossnet", "dcnv2")
        for at in ("input", "intermediate")
    },
    **{
        f"dmoe/{expert}_cov_l{norm}": (
            f"dmoe/{expert}_me_corr",
            {
                "cooperation.decorrelation.kind": "covariance",
                "cooperation.decorrelation.norm": norm,
            },
        )
        for expert in ("dcnv2", "xdeepfm")
        for norm in (1, 2)
    },
}
# Implied by the changes above: what goes with another fusion or in place of a loss.
IMPLIED = ("fusion.combine", "fusion.temperature", "fusion.stop_gradient")


def flattened(value, prefix="") -> dict:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    return {
        key: each
        for name, inner in value.items()
        for key, each in flattened(inner, f"{prefix}.{name}".strip(".")).items()
    }


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_a_papers_table_changes_what_it_says_and_nothing_else(name):
    parent, changes = ROWS[name]
    before = flattened(load_preset(parent).model_dump(mode="json"))
    after = flattened(load_preset(name).model_dump(mode="json"))
    different = {
        key
        for key in before.keys() | after.keys()
        if before.get(key, "absent") != after.get(key, "absent")
    }
    allowed = [*changes, *(["cooperation.moderate_differentiation"] if "differe" in name else [])]
    if "fusion.type" in changes:
        allowed += IMPLIED
    unexpected = {key for key in different if not key.startswith(tuple(allowed))}
    assert not unexpected
    for key, value in changes.items():
        if value is None:
            assert not any(each.startswith(f"{key}.") for each in after), key
        elif key == "cooperation":
            assert after["cooperation"] == {}
        else:
            short = {"branches": "type", "cooperation": "direction"}.get(key.split(".")[0], "")
            found = after.get(key, after.get(f"{key}.{short}"))
            assert found == value, key


def test_every_row_of_the_papers_tables_is_a_preset():
    singles = {f"dmoe/{each}_single" for each in ("nfm", "deepfm", "dcnv2", "xdeepfm", "crossnet")}
    assert set(ROWS) | singles | {"dmoe/cin_single"} <= set(preset_names())
