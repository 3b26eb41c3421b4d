"""report.html: every number of metrics.json that it shows, and no markup from names."""

import copy
import io
from html.parser import HTMLParser

from rich.console import Console

from pipeline.evaluation.report import report_html
from pipeline.evaluation.table import print_metrics

METRICS = {
    "training": {
        "best_epoch": 2,
        "epochs": 3,
        "seconds": 12.3,
        "history": {
            "loss": [3.0, 2.0, 1.0],
            "logloss": [0.7, 0.6, 0.5],
            "val_auc": [0.6, 0.72, 0.7],
            "val_auc_deep": [0.5, 0.6, 0.6],
            "val_logloss": [0.7, 0.6, 0.6],
        },
    },
    "evaluation": {
        "test": {
            "rows": 1234,
            "click_rate": 0.25,
            "gauc_groups": "user",
            "gauc_weight_by": "impressions",
            "metrics": {
                "fused": {"auc": 0.71239, "gauc": 0.6543, "logloss": 0.5},
                "<deep>": {"auc": 0.61, "gauc": 0.6, "logloss": 0.55},
            },
        }
    },
}


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data + "\n"


def page() -> _Text:
    parsed = _Text()
    parsed.feed(report_html("runs/<b>", METRICS, "train: {epochs: 3} # <i>"))
    return parsed


def test_shows_metrics_best_epoch_and_how_gauc_was_averaged():
    text = page().text
    for shown in ("0.7124", "0.6543", "1,234 rows", "Best of 3 epochs", ": 2.", "by user"):
        assert shown in text
    assert "weighted by impressions" in text


def test_a_metric_that_is_not_defined_is_a_dash():
    metrics = copy.deepcopy(METRICS)
    metrics["evaluation"]["test"]["metrics"]["fused"]["gauc"] = None
    assert "<td>–</td>" in report_html("a", metrics, "")
    with io.StringIO() as text:
        print_metrics("test", metrics["evaluation"]["test"], Console(file=text))
        assert "–" in text.getvalue()


def test_names_are_text_and_never_markup():
    parsed = page()
    assert not {"b", "i", "deep"} & set(parsed.tags)
    assert "runs/<b>" in parsed.text
    assert "<deep>" in parsed.text


def test_stands_alone_and_depends_on_the_metrics_alone():
    html = report_html("a", METRICS, "")
    assert "<svg" in html
    assert 'src="http' not in html
    assert "<script" not in html
    assert html == report_html("a", METRICS, "")
