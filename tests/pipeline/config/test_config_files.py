"""Configuration files: layers, overrides, and sentences that name the file and the setting."""

from pathlib import Path

import pytest
import yaml

from features.config import parse
from features.errors import ConfigError
from pipeline.config.config_files import (
    dump_config,
    load_config,
    load_layers,
    load_preset,
    parse_declared,
)
from pipeline.config.layers import read_layers
from pipeline.config.run_config import RunConfig

BASE = {
    "data": {"source": "movielens_100k", "seed": 5},
    "features": {"user": {"kind": "categorical", "min_count": 2}, "clicked": {"role": "label"}},
    "groups": {"all": ["user"]},
}
TOP = {
    "extends": "../base.yaml",
    "model": {
        "branches": {"efgc": {"units": [4]}, "deep": {"units": [512], "dropout": 0.5}},
        "cooperation": {"co_teaching": {"weight": 0.3}},
    },
    "train": {"epochs": 3},
}


@pytest.fixture
def write(tmp_path):
    def write(name: str, content) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def top(write):
    write("base.yaml", BASE)
    return write("sub/top.yaml", TOP)


def test_lays_a_file_over_the_one_it_extends_and_overrides_over_both(top):
    config = load_config(top, ["train.epochs=4", "train.batch_size=8", "data.split.test=0.2"])
    assert config.data.seed == 5
    assert config.features["user"].min_count == 2
    assert (config.train.epochs, config.train.batch_size) == (4, 8)
    assert (config.data.split.valid, config.data.split.test) == (0.1, 0.2)
    assert config.model.branches["deep"].options["dropout"] == 0.5


def test_the_later_override_wins(top):
    assert load_config(top, ["train.epochs=4", "train.epochs=5"]).train.epochs == 5


def test_null_and_an_empty_mapping_remove_what_was_inherited(top, write):
    path = write(
        "sub/one.yaml",
        {
            "extends": "top.yaml",
            "model": {"branches": {"efgc": None}, "cooperation": {}},
            "train": {"clip_norm": None},
        },
    )
    config = load_config(path)
    assert list(config.model.branches) == ["deep"]
    assert config.model.cooperation == {}
    assert config.train.clip_norm is None  # a value of its own, not the default
    assert load_config(write("resolved.yaml", dump_config(config))) == config


def test_reads_back_what_it_wrote(top, write):
    dense = "train.tables.optimizer=adam"  # as a regulariser of whole tables needs it
    config = load_config(top, ["model.embedding.l2=0.001", dense, "model.heads=all"])
    assert load_config(write("resolved.yaml", dump_config(config))) == config


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("train.bacth_size=8", r"--set train.bacth_size=8: .*Did you mean train.batch_size\?"),
        (
            "data.source=movielens_100",
            r"'movielens_100' is not a data set.*Did you mean movielens_100k",
        ),
        ("data.splitt.test=1", r"data.splitt is not a setting. Did you mean data.split\?"),
        ("data.split.tset=0.1", r"Did you mean data.split.test\?"),
        ("model.branches.deep.unist=[3]", r"unist is not an option of Deep. Did you mean units\?"),
        ("model.fusion=meen", r"'meen' is not a type. Did you mean mean\?"),
        ("train.learning_rate=.inf", "train.learning_rate: .*finite number"),
        ("groups.all=[user, user]", "group 'all' names feature 'user' twice"),
        ("train.log_seconds=.inf", "train.log_seconds: .*finite number"),
        ("train.batch_size=1000000000", r"train.batch_size: .*less than or equal to 16777216"),
        ("train.epochs=1e300", r"train.epochs: .*valid integer"),
        ("data.memory_gb=1e300", r"data.memory_gb: .*less than or equal to 1000000"),
        ("data.negatives.per_positive=1000000000", r"per_positive: .*less than or equal to 10000"),
        ("train.batch_size=0", r"train.batch_size: .*greater than or equal to 1. Received: 0"),
        ("groups.all=[]", r"--set groups.all=\[\]: groups.all: .* at least 1 item"),
        ("groups.all=[usr]", r"group 'all' names feature 'usr'.* Did you mean user\?"),
        ("features.clicked={role: input, kind: numeric}", r"no feature has `role: label`"),
        ("groups=null", r"groups: Input should be a valid"),
        ("groups={}", r"model.branches.efgc crosses feature groups, and the features declare none"),
        ("model.branches.dep=null", r"dep is null, but nothing of that name .*branches.deep\?"),
        ("novalue", r"'novalue' must be key.path=value"),
        ("model.branches={deep: null, efgc: null}", r"branches is empty"),
    ],
)
def test_says_where_a_mistake_stands_and_how_to_mend_it(top, setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(top, [setting])


@pytest.mark.parametrize(
    "setting",
    [
        "train.bacth_size=8",
        "data.source=movielens_100",
        "data.split.tset=0.1",
        "model.fusion=meen",
        "model.sacle=2",
        "model.branches={}",
        "model.branches.deep.type=dep",
        "model.branches.deep.copies=0",
        "model.cooperation.co_taching.weight=1",
        "model.cooperation.symmetric_kl={}",
        "model.tables=none",
        "model.embedding.width=8",
        "model.logloss_weights.dep=1",
        "train.learning_rate=.inf",
        "train.monitor=gauc",
        "groups.all=[usr]",
        "features.clicked={role: input, kind: numeric}",
        "export.candidates=[usr]",
    ],
)
def test_what_is_refused_without_the_classes_is_refused_with_them_in_the_same_words(top, setting):
    layers = read_layers(top, [setting])
    with pytest.raises(ConfigError) as without:
        parse_declared(layers)
    with pytest.raises(ConfigError) as with_classes:
        parse(RunConfig, layers.merged, layers.find)
    assert str(without.value) == str(with_classes.value)


@pytest.mark.parametrize(
    "setting",
    ["model.branches.deep.unist=[3]", "model.branches.deep=din", "model.tower={units: x}"],
)
def test_what_only_a_class_can_refuse_waits_for_it(top, setting):
    layers = read_layers(top, [setting])
    parse_declared(layers)
    with pytest.raises(ConfigError):
        load_layers(layers)


@pytest.mark.parametrize(
    ("setting", "losses"),
    [
        ("model.cooperation.co_teaching=null", {"moderate_differentiation": 0.1}),
        (
            "model.cooperation.co_teaching.weight=0.2",
            {"co_teaching": 0.2, "moderate_differentiation": 0.1},
        ),
        ("model.cooperation={}", {}),
        (
            "model.branches.deep.units=[8, 512]",
            {"co_teaching": 0.1, "moderate_differentiation": 0.1},
        ),
    ],
)
def test_overrides_change_the_default_network_and_do_not_replace_it(write, setting, losses):
    config = load_config(write("base.yaml", BASE), [setting])
    assert {name: loss.weight for name, loss in config.model.cooperation.items()} == losses
    assert list(config.model.branches) == ["efgc", "cross", "deep"]


def test_names_the_file_of_the_layer_that_holds_the_mistake(write):
    write("base.yaml", {**BASE, "data": {"source": "movielens_100k", "sede": 1}})
    top = write("sub/top.yaml", TOP)
    with pytest.raises(ConfigError, match=r"base\.yaml: data\.sede .*Did you mean data\.seed\?"):
        load_config(top)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("data: [", "is not YAML"),
        ("train: {epochs: 1, epochs: 2}", "the key 'epochs' twice in a mapping"),
        ("- a list", "must hold a mapping"),
        ("extends: [a, b]", "extends must be one file name"),
        ("extends: gone.yaml", r"gone\.yaml \(extended by .*cannot be read: No such file"),
        ("extends: bad.yaml", "extends itself"),
        ("", "must hold a mapping"),
    ],
)
def test_refuses_files_that_are_no_configuration(write, content, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(write("bad.yaml", content))


def test_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    "path",
    sorted(Path(__file__).parents[3].glob("configs/*/*.yaml")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_configuration_of_the_project_can_be_read(path):
    if path.name == "dataset.yaml":
        pytest.skip("extended by the others, not a run by itself")
    load_config(path)


@pytest.fixture
def dataset():
    return Path(__file__).parents[3] / "configs/movielens_100k/dataset.yaml"


def test_a_preset_replaces_the_inherited_network_and_is_refined(dataset, write):
    own = {
        "extends": str(dataset.with_name("mbcnet.yaml")),
        "model": {"preset": "dnn", "embedding": {"embedding_dim": 8}},
    }
    config = load_config(write("own.yaml", own))
    assert list(config.model.branches) == ["dnn"]
    assert config.model.embedding.embedding_dim == 8
    assert config.model.embedding.l2 == 1e-5  # the preset's; mbcnet.yaml's was another network's
    assert config.train.batch_size == 512  # the file's
    assert (config.train.seed, config.train.epochs) == (2019, 20)  # the preset's, the file's
    assert load_config(write("resolved.yaml", dump_config(config))) == config


def test_of_two_presets_the_later_one_counts(dataset):
    config = load_config(dataset, ["model.preset=dnn", "model.preset=nfm"])
    assert list(config.model.branches) == ["nfm"]


def test_a_preset_says_how_to_train_where_no_file_does(dataset, write):
    assert load_config(dataset, ["model.preset=dmoe"]).train.batch_size == 10_000
    own = write("own.yaml", {"extends": str(dataset), "train": {"batch_size": 7}})
    assert load_config(own, ["model.preset=dmoe"]).train.batch_size == 7
    settings = ["train.batch_size=8", "model.preset=dmoe"]  # in whatever order
    assert load_config(own, settings).train.batch_size == 8
    both = load_config(dataset, ["model.preset=cetnet", "model.preset=dmoe"])
    assert both.train.seed == 0  # not the former preset's 42


def small(preset):
    return f'model={{"preset": "{preset}", "sizes": "small"}}'


def test_a_preset_takes_the_small_sizes_of_the_configuration(dataset):
    configuration = dataset.with_name("mbcnet.yaml")
    own = load_config(configuration)
    same = load_config(configuration, [small("mbcnet")])
    assert (same.model, same.train) == (own.model, own.train)
    row = load_config(configuration, [small("mbcnet/with_fm"), "model.branches.fm=null"])
    assert row.model == own.model
    kept = load_config(configuration, [small("mbcnet/with_fm")]).model.branches["fm"].options
    assert kept["output_units"] == own.model.branches["efgc"].options["output_units"]
    kept = load_config(configuration, [small("dnn")]).model  # of the type of `deep`
    assert kept.branches["dnn"].options["units"] == own.model.branches["deep"].options["units"]


@pytest.mark.parametrize(
    ("name", "setting", "sentence"),
    [
        (
            "mbcnet.yaml",
            small("dcnv2"),
            r"none for the preset's branch dcnv2 \(dcnv2\)\. .*Leave sizes out",
        ),
        ("dataset.yaml", small("mbcnet"), r"branch efgc \(efgc\)\. Received: no branches\."),
        ("mbcnet.yaml", "model={preset: mbcnet, sizes: tiny}", "must be fit.*'tiny'"),
    ],
)
def test_refuses_sizes_that_nobody_has(dataset, name, setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(dataset.with_name(name), [setting])


def test_a_preset_may_be_a_file_and_name_another(dataset, write, monkeypatch, tmp_path):
    write("nets/mine.yaml", "model: {preset: nfm, embedding: {embedding_dim: 3}}")
    monkeypatch.chdir(tmp_path)
    config = load_config(dataset, ["model.preset=nets/mine.yaml"])
    assert (list(config.model.branches), config.model.embedding.embedding_dim) == (["nfm"], 3)
    assert load_preset("nets/mine.yaml") == config.model


def test_overrides_refine_components_that_are_written_as_a_name(dataset):
    config = load_config(dataset, ["model.preset=kdef", "model.fusion.combine=sum"])
    assert config.model.fusion.type == "logit"
    assert config.model.fusion.options == {"combine": "sum"}


def test_a_component_of_another_type_drops_the_options_of_the_former(dataset):
    config = load_config(dataset, ["model.preset=cetnet/din_dien", "model.fusion={type: concat}"])
    assert config.model.fusion.type == "concat"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("model.logloss_weights.fused=-1", "logloss_weights.fused: .*greater than or equal to 0"),
        ("model.logloss_weights.cin=0.5", "heads='fused' gives branches no logloss"),
        ("model.gate_table=cni", r"Received: 'cni'. Did you mean"),
        ("model.tables={cin: a}", "names no embedding set for branch 'dcn'"),
        ("model.branches.cin.share_weights=true", "needs copies to share them"),
        ("model.embedding.numeric_units=[8]", "numeric='each' does not have"),
        ("model.cooperation.loss={type: decorrelation, weight: 1}", "use this name for something"),
        ("model.branches.cin.units=64", r"expected a list, such as \[64, 32\]. Received: 64"),
        ("model.branches.cin.activation=rellu", r"'rellu' is not a Keras activation.*relu\?"),
        ("model.cooperation.kl={type: symmetric_kl}", "kl={type: symmetric_kl}: .*weight is req"),
        ("model.alignment.units=[]", r"--set model.alignment.units=\[\]"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(dataset, setting, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(dataset, ["model.preset=dmoe", setting])


def test_the_candidates_of_the_export_are_input_features(write):
    two = {**BASE["features"], "item": {"kind": "categorical"}}
    path = write("a.yaml", {**BASE, "features": two, "export": {"candidates": ["item"]}})
    config = load_config(path)
    assert config.export.candidates == ["item"]
    assert load_config(write("again.yaml", dump_config(config))) == config
    with pytest.raises(ConfigError, match=r"a\.yaml.*export\.candidates names 'itm'.*mean item"):
        load_config(path, ["export.candidates=[itm]"])
