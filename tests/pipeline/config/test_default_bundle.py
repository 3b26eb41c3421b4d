"""Bundles of different settings have different places, unless somebody says otherwise."""

import json

import pytest

from features.bundle import Manifest
from pipeline.config.default_bundle import bundle_name, default_bundle
from pipeline.config.run_config import DatasetConfig
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.settings_digest import settings_digest


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("csv", "data/shop/", "shop"),
        ("csv", "data/shop.tar/clicks.csv.gz", "clicks"),
        ("parquet", "s3://bucket/clicks", "clicks"),
        ("criteo", "data/shop", "criteo"),
        ("tfds:movielens/100k-ratings", None, "tfds_movielens_100k-ratings"),
    ],
)
def test_bundles_of_ones_own_data_sets_have_their_names(source, path, name):
    assert bundle_name(DataConfig(source=source, path=path)) == name


def configured(min_count=1, **data):
    features = {
        "clicked": {"role": "label"},
        "item": {"kind": "categorical", "min_count": min_count},
    }
    split = {"by": "hash"}
    return DatasetConfig(data={"source": "criteo", "split": split, **data}, features=features)


def lie_at(path, settings):
    """Puts the manifest of a bundle there, as far as it is looked at."""
    path.mkdir(parents=True)
    manifest = Manifest(
        format_version=1, fingerprint="", sources={}, files={}, settings=settings
    ).model_dump(exclude_none=True)
    (path / "MANIFEST.json").write_text(json.dumps(manifest))


def of(config):
    return settings_digest(config.feature_set, config.data)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_first_bundle_of_a_source_is_called_as_it_is(tmp_path):
    assert str(default_bundle(configured())) == "bundles/criteo"
    lie_at(tmp_path / "bundles" / "criteo", of(configured()))
    same = configured(memory_gb=3.0, path="moved", runner="FlinkRunner")
    assert str(default_bundle(same)) == "bundles/criteo"


@pytest.mark.parametrize(
    "other",
    [
        configured(seed=7),
        configured(min_count=3),
        configured(vocabularies={"from": "yesterday", "mode": "frozen"}),
    ],
    ids=["seed", "features", "vocabularies"],
)
def test_of_other_settings_it_lies_beside_and_stays_there(tmp_path, other):
    lie_at(tmp_path / "bundles" / "criteo", of(configured()))
    beside = default_bundle(other)
    assert beside.name.startswith("criteo-")
    assert str(default_bundle(configured())) == "bundles/criteo"
    lie_at(tmp_path / beside, of(other))
    (tmp_path / "bundles" / "criteo" / "MANIFEST.json").unlink()  # also when that is gone
    assert default_bundle(other) == beside


def test_a_bundle_whose_settings_nobody_noted_is_replaced_as_ever(tmp_path):
    lie_at(tmp_path / "bundles" / "criteo", None)
    assert str(default_bundle(configured(seed=7))) == "bundles/criteo"
