"""Presets say what they are, and rows of a paper's table change what they say."""

from pathlib import Path

import pytest

from features.errors import ConfigError
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


# What each ablation row changes in its parent, by hand from the papers' tables.
ROWS = {
    "mbcnet/listing": (
        "mbcnet",
        {
            "cooperation.moderate_differentiation.squared": False,
            "cooperation.moderate_differentiation.warmup_steps": 100,
        },
    ),
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
