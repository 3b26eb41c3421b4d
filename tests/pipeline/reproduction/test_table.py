"""Tables of the papers as data: every one can be read, and mistakes in one are sentences."""

import pytest
import yaml

from features.errors import ConfigError
from pipeline.config.shipped_files import config_names
from pipeline.reproduction.table import load_table, table_names

TABLE = {
    "title": "A table",
    "paper": "A paper",
    "config": "movielens_100k/dataset",
    "data_sets": {"Theirs": None},
    "metrics": ["auc"],
    "baseline": "MBCnet",
    "rows": {"MBCnet": {"preset": "mbcnet"}, "its deep branch": {"of": "MBCnet", "branch": "deep"}},
}


@pytest.mark.parametrize("name", table_names())
def test_every_table_names_data_that_are_there(name):
    table = load_table(name)
    assert table.config in config_names()
    folders = {folder for folder in table.data_sets.values() if folder is not None}
    assert {f"{folder}/dataset" for folder in folders} <= set(config_names())


def test_tables_hold_what_the_papers_print():
    rows = load_table("mbcnet_table_6").rows
    assert rows["w/o EFGC"].published["Pailitao-24month"] == {"auc": 0.7548, "logloss": 0.2839}
    rows = load_table("cetnet_table_1").rows
    assert rows["DIEN"].published["TaobaoAds"] == {"gauc": 0.5731, "auc": 0.6518, "logloss": 0.1932}
    rows = load_table("cetnet_table_4").rows
    assert rows["IPNN, ours, sum, 4x"].published == {
        "Criteo": {"auc": 0.81054},
        "Avazu": {"auc": 0.78956},
    }
    assert rows["IPNN, ours, sum, 4x"].settings == ("model.scale=4",)
    rows = load_table("dmoe_table_1").rows
    assert rows["D-MoE"].published["Avazu"] == {"auc": 0.797236}
    assert rows["xDeepFM, ME and loss"].published["Criteo"] == {"auc": 0.814010}


def test_the_data_set_of_a_folder_is_the_papers():
    table = load_table("dmoe_table_1")
    assert table.data_set_of("avazu_x4") == "Avazu"
    assert table.data_set_of("kuairand_pure") is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metrics": ["acu"]}, "'acu' is no measure of a table. Expected: auc"),
        ({"baseline": "CETNet"}, "baseline names the row 'CETNet', which there is not"),
        ({"rows": {"MBCnet": {"preset": "mbcnt"}}}, "'mbcnt' is not a preset"),
        ({"rows": {"MBCnet": {}}}, "a row has either `preset` or `of`"),
        (
            {"rows": {"MBCnet": {"preset": "mbcnet", "teachers": ["DNN"]}}},
            "rows.MBCnet.teachers names the row 'DNN'",
        ),
        (
            {"rows": {"MBCnet": {"preset": "mbcnet", "published": {"Other": {"auc": 0.5}}}}},
            "'Other' is no data set",
        ),
        (
            {
                "rows": {
                    "MBCnet": {"of": "a", "branch": "deep"},
                    "a": {"of": "b", "branch": "deep"},
                    "b": {"preset": "mbcnet"},
                }
            },
            "'a', which has no runs of its own",
        ),
    ],
)
def test_mistakes_in_a_table_of_ones_own_are_sentences(change, sentence, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**TABLE, **change}))
    with pytest.raises(ConfigError) as raised:
        load_table(str(path))
    assert sentence in str(raised.value)
    assert "own.yaml" in str(raised.value)


def test_a_name_that_is_none_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no table\. Did you mean mbcnet_table_6"):
        load_table("mbcnet_table6")
