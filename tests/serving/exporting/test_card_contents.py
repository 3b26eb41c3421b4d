import json
import re

import pytest

from serving.exporting.card_contents import CardData, CardFeature, CardNetwork, ModelCard, escaped

HOSTILE = "</td><script>alert(1)</script> | `x` [a](http://b) **c** # d\n# e"


def card(name: str = "mbcnet", feature: str = "user_id") -> ModelCard:
    metrics = {"auc": 0.75, "gauc": None, "logloss": 0.5, "ne": 0.8, "calibration": 1.0}
    return ModelCard(
        name=name,
        version_of_concord="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        data=CardData(source="csv", rows={"train": 1000, "test": 10}, split="by time", label="y"),
        metrics={"test": {"fused": metrics, feature: metrics}},
        network=CardNetwork(
            axes={"tables": "shared"}, branches=[feature], fusion="mean", parameters=1234
        ),
        feature_groups={feature: [feature]},
        features=[CardFeature(name=feature, kind="categorical")],
        variant={"precision": "float32", "branch": None, "format": "saved_model"},
        intended_use="Ranks.",
        limits=["Small data.", feature],
    )


def test_both_forms_say_the_same():
    files = card().to_files()
    assert ModelCard.model_validate(json.loads(files["model_card.json"])) == card()
    page = files["model_card.md"].decode()
    for said in ("# mbcnet", "1,000 train, 10 test", "| 0.7500 | – | 0.5000 |", "- Small data."):
        assert said in page
    assert "branch None" not in page


@pytest.mark.parametrize("name", [HOSTILE, "a\n\n# b", "1. one", "- x", "www.a.b", "|", "&lt;"])
def test_no_name_is_more_than_text(name):
    page = card(name, name).to_markdown()
    assert "<" not in page
    assert not re.search(r"(?<!\\)\[.*?(?<!\\)\]", page)
    assert "://" not in page
    lines = page.splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert len(headings) == 5  # name, metrics, limits, features, groups
    rows = [line for line in lines if line.startswith("|")]
    for row in rows:  # a cell more would shift the numbers
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 7)


def test_escaped_text_reads_as_before():
    assert escaped("user_id") == r"user\_id"
    assert escaped("rating >= 4") == "rating &gt;= 4"
    assert escaped("0.7323 is its AUC") == "0.7323 is its AUC"
    assert escaped("1. one") == r"1\. one"
    assert escaped("two\nlines") == "two lines"
