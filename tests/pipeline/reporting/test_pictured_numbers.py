"""report.html with the numbers of report.json: each of them is written, whatever is drawn."""

import copy
import re
from html import escape
from html.parser import HTMLParser

import pytest

from pipeline.reporting.run_report import report_html
from tests.pipeline.reporting.test_run_report import METRICS

NAME = "<b>$x^2$&amp;</b>"  # of a branch, a feature and a token: no markup, no formula
TENTH = {"predicted": 0.25, "clicked": 0.2, "calibration": 1.2512}
SLICE = {"rows": 61, "click_rate": 0.1357, "auc": 0.7261, "logloss": 0.5162}
SLICE |= {"normalized_entropy": 0.9182, "calibration": 1.0391}
NUMBERS = {
    "split": "test",
    "rows": 1234,
    "sampled": 617,
    "intervals": {
        "test": {
            "fused": {"auc": [0.7011, 0.7222], "gauc": [0.6401, 0.6602]},
            "<deep>": {"auc": [0.6011, 0.6222]},
        }
    },
    "calibration": {
        "as evaluated": [TENTH, {**TENTH, "predicted": 0.5}],
        "with isotonic recalibration": [{**TENTH, "calibration": None}],
    },
    "activity": [
        {"least": 1, "most": 6, "groups": 77, "rows": 333, "mixed": 55}
        | {"gauc": {"fused": 0.6123, NAME: 0.6234}},
        {"least": 7, "most": 7, "groups": 2, "rows": 14, "mixed": 0}
        | {"gauc": {"fused": None, NAME: None}},
    ],
    "slices": {NAME: {NAME: SLICE, "town": {**SLICE, "rows": 556, "auc": None}}},
    "categories": {
        "examples": 61,
        "features": {
            NAME: {
                NAME: {"of_all": 0.1111, "branches": {"efgc": 0.2222, NAME: 0.3333}},
                "war": {"of_all": 0.4444, "branches": {"efgc": 0.5555, NAME: 0.6666}},
            }
        },
    },
    "importance": {
        "rows": 500,
        "features": {NAME: 0.012345, "age": -0.000321},
        "groups": {"history": 0.054321},
    },
    "fusion_weights": {"efgc": [0.1, 0.2, 0.3, 0.4, 0.5], NAME: [0.5, 0.6, 0.7, 0.8, 0.9]},
    "units": {"efgc": [0.5, 0.25, 0.25], NAME: [0.9, 0.1]},
    "unit_correlations": {
        "units": {"efgc": 2, NAME: 1},
        "live_units": {"efgc": 2, NAME: 1},
        "matrix": [[1.0, 0.2, 0.3], [0.2, 1.0, 0.1], [0.3, 0.1, 1.0]],
    },
    "gradients": {
        "terms": ["logloss", NAME],
        "norms": [1.5, 0.25],
        "cosines": [[1.0, -0.432], [-0.432, 1.0]],
    },
    "plane": {
        "labels": [0, 1],
        "points": {"efgc": [[0.0, 1.0], [1.0, 2.0]], NAME: [[2, 2], [3, 1]]},
    },
    "notes": ["<i>one</i> thing was left out"],
}
GIVEN = "train:\n  epochs: 7 # <u>\n"


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.links, self.names = [], "", [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        of = dict(attrs)
        self.links += [of[name] for name in ("src", "href", "xlink:href", "action") if name in of]
        self.names += [of["id"]] if tag in ("section", "g") and "id" in of else []

    def handle_data(self, data):
        self.text += data + "\n"


def parsed(html) -> _Page:
    page = _Page()
    page.feed(html)
    return page


def metrics_of_all():
    metrics = copy.deepcopy(METRICS)
    for values in metrics["evaluation"]["test"]["metrics"].values():
        values["calibration"] = 1.1
    for tables in metrics["tables"].values():
        for place, table in enumerate(tables.values()):
            table["singular_values"] = [2.0, 1.0, 0.5] if place else [0.0, 0.0]
    return metrics


@pytest.fixture(scope="module")
def html():
    return report_html("runs/a", metrics_of_all(), "train: {epochs: 3}", (), NUMBERS, GIVEN)


@pytest.mark.parametrize(
    "numbers",
    [
        ["0.7011 to 0.7222", "0.6401 to 0.6602", "0.6011 to 0.6222"],
        ["1.251", "with isotonic recalibration"],
        ["1 to 6", "77", "333", "55", "0.6123", "0.6234"],
        ["617 of 1,234 test rows", "61", "13.57 %", "0.7261", "0.5162", "0.9182", "1.039", "556"],
        ["12.35", "-0.32", "54.32", "among 500 test rows"],
        ["22.22 %", "33.33 %", "11.11 %", "55.55 %", "66.66 %", "44.44 %", "the 61 rows"],
        ["-0.432", "0.432", "0.076"],
        ["<i>one</i> thing was left out."],
    ],
    ids=[
        "intervals",
        "calibration",
        "activity",
        "slices",
        "importance",
        "categories",
        "branches",
        "notes",
    ],
)
def test_each_number_is_written_somewhere(html, numbers):
    text = parsed(html).text.replace("\N{MINUS SIGN}", "-")
    for number in numbers:
        assert number in text


def test_every_picture_is_there_and_none_without_its_numbers(html):
    plain = report_html("runs/a", METRICS, "")
    for title in (
        "AUC with 95 % intervals",
        "Error by tenth",
        "gAUC by rows of each user",
        "AUC of the slices",
        "Groups of features",
        "Weights in the fusion",
        "Strength of the units",
        "Correlation of live units",
        "Representations in two dimensions",
        "Where the loss terms' gradients point",
        "Singular values of the tables shared",
    ):
        assert title.replace("'", "&#39;") in html
        assert title.replace("'", "&#39;") not in plain
    assert html.count("<svg") >= 20


def test_names_are_text_in_pictures_too(html):
    page = parsed(html)
    assert not {"b", "i", "u", "deep", "script"} & set(page.tags)
    assert NAME in page.text
    pictures = html[html.index("<svg") : html.rindex("</svg>")]
    assert f">{escape(NAME)}</text>" in pictures
    assert "<u>" in page.text


def test_nothing_is_fetched_from_outside(html):
    page = parsed(html)
    assert page.links
    assert all(link.startswith(("#", "data:image/png;")) for link in page.links)
    assert "http" not in html
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)


def test_every_link_has_its_section_and_no_name_stands_twice(html):
    page = parsed(html)
    assert len(page.names) == len(set(page.names))
    sections = {link.removeprefix("#") for link in page.links if link.startswith("#section")}
    assert sections == set(page.names)


def test_the_same_numbers_give_the_same_page(html):
    again = report_html("runs/a", metrics_of_all(), "train: {epochs: 3}", (), NUMBERS, GIVEN)
    assert again == html


def test_the_configuration_is_folded_and_begins_with_what_the_user_chose(html):
    chosen, everything = html.index("epochs: 7"), html.index("train: {epochs: 3}")
    assert html.index("Settings that you chose") < chosen < everything
    folded = html[html.rindex("<details>", 0, chosen) : chosen]
    assert "</details>" not in folded
    assert "<details open" not in html
    assert "Settings that you chose" not in report_html("a", METRICS, "train: {epochs: 3}")
