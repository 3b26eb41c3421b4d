"""Which runs a table needs: teachers first, rows that look at others' runs none."""

from pathlib import Path

import pytest

from features.errors import ConfigError
from pipeline.reproduction.plan import Choices, planned_rows, shown_rows
from pipeline.reproduction.table import PaperTable, load_table

CHOICES = Choices("movielens_100k/dataset", "fit", (1, 2), ("train.epochs=1",))


def table(rows, baseline="b"):
    return PaperTable(
        title="", paper="", metrics=("auc",), baseline=baseline, data_sets={}, config="", rows=rows
    )


def test_teachers_come_before_what_they_teach():
    rows = {
        "pupil": {"preset": "enkd", "teachers": ["a", "b"]},
        "a": {"preset": "dnn"},
        "b": {"preset": "dcn", "settings": ["model.embedding.embedding_dim=4"]},
        "inside": {"of": "a", "branch": "dnn"},
    }
    planned = planned_rows(table(rows), CHOICES)
    assert [row.name for row in planned] == ["a", "b", "pupil"]
    assert planned[1].settings == (
        'model={"preset": "dcn", "sizes": "fit"}',
        "model.embedding.embedding_dim=4",
        "train.epochs=1",
    )
    assert planned[2].teachers == ("a", "b")
    assert len({row.folder(Path("out"), seed) for row in planned for seed in (1, 2)}) == 6


def test_rows_that_are_not_asked_for_are_trained_only_where_they_are_needed():
    rows = {
        "pupil": {"preset": "enkd", "teachers": ["a"]},
        "a": {"preset": "dnn"},
        "b": {"preset": "dcn"},
        "c": {"preset": "fm"},
    }
    choices = Choices(CHOICES.config, "fit", (1,), (), ("pupil",))
    assert {row.name for row in planned_rows(table(rows), choices)} == {"b", "a", "pupil"}
    assert list(shown_rows(table(rows), choices)) == ["pupil", "b"]


def test_published_sizes_are_those_of_the_data_sets_file():
    cetnet = load_table("cetnet_table_1")
    choices = Choices("amazonelectronics_x1/dataset", "preset", (1,), (), ("DIN", "Wukong"))
    by_name = {row.name: row for row in planned_rows(cetnet, choices)}
    assert by_name["DIN"].config.name == "din.yaml"
    assert by_name["DIN"].settings == ()
    assert by_name["Wukong"].config.name == "dataset.yaml"
    assert '"sizes": "preset"' in by_name["Wukong"].settings[0]


def test_what_cannot_be_is_said_before_anything_is_trained():
    choices = Choices(CHOICES.config, "fit", (1,), (), ("nobody",))
    with pytest.raises(ConfigError, match=r"'nobody' is no row of the table\. Its rows: b"):
        planned_rows(table({"b": {"preset": "dcn"}}), choices)
    misspelt = Choices(CHOICES.config, "fit", (1,), ("train.epoch=1",))
    with pytest.raises(ConfigError, match=r"train\.epoch is not a setting"):
        planned_rows(table({"b": {"preset": "dcn"}}), misspelt)
    alike = table({"b": {"preset": "dcn"}, "w/o b": {"preset": "dnn"}, "w_o b": {"preset": "fm"}})
    with pytest.raises(ConfigError, match="'w/o b' and 'w_o b' would have one folder"):
        planned_rows(alike, CHOICES)
    circle = {
        "b": {"preset": "enkd", "teachers": ["c"]},
        "c": {"preset": "enkd", "teachers": ["b"]},
    }
    with pytest.raises(ConfigError, match="it teaches itself, by way of c"):
        planned_rows(table(circle), CHOICES)
