"""Configurations of Concord's own are found by name; files of the user's by their path."""

from pathlib import Path

import pytest

from features.errors import ConfigError
from pipeline.config.config_files import load_config
from pipeline.config.shipped_files import CONFIGS, config_file, config_names

ROOT = Path(__file__).parents[3]


def test_every_configuration_of_a_data_set_has_a_name():
    assert {"movielens_100k/dataset", "movielens_100k/mbcnet", "criteo/dataset"} <= {
        *config_names()
    }
    assert len(config_names()) == len([*CONFIGS.glob("*/[!_]*.yaml")])
    assert all(config_file(name).is_file() for name in config_names())


def test_the_folder_of_the_checkout_is_that_of_the_package():
    assert (ROOT / "configs").resolve() == CONFIGS.resolve()
    by_path = load_config(ROOT / "configs/movielens_1m_pairs/mbcnet.yaml")
    assert by_path == load_config("movielens_1m_pairs/mbcnet")


def test_a_file_of_the_users_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "movielens_100k/mbcnet"
    (tmp_path / "movielens_100k").mkdir()
    assert config_file("movielens_100k/mbcnet") == CONFIGS / "movielens_100k/mbcnet.yaml"
    own.write_text("extends: movielens_100k/mbcnet.yaml")
    assert config_file("movielens_100k/mbcnet") == Path("movielens_100k/mbcnet")
    assert config_file("criteo/dataset.yaml") == Path("criteo/dataset.yaml")  # to be refused


def test_a_file_extends_a_configuration_by_its_name(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("extends: movielens_100k/mbcnet\ntrain: {epochs: 3}")
    config, shipped = load_config(own), load_config("movielens_100k/mbcnet")
    assert config.train.epochs == 3
    assert (config.model, config.data) == (shipped.model, shipped.data)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "movielens_100k/mbcnt",
            r"'movielens_100k/mbcnt' is no file and no configuration .* mean ",
        ),
        ("elsewhere", r"'elsewhere' is no file .*path of a YAML file, or a name such as movielens"),
        (".", r"'\.' is no file"),
    ],
)
def test_other_names_are_refused(name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(name)
