"""report.html: every number of metrics.json that it shows, and no markup from names."""

import copy
import io
from html.parser import HTMLParser

from rich.console import Console

from pipeline.evaluation.print_tables import print_embedding_tables, print_metrics
from pipeline.reporting.run_report import report_html

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
            "cooperation": {
                "cross_expert_correlation": 0.4321,
                "pairs": [
                    {
                        "branches": ["efgc", "<deep>"],
                        "cross_expert_correlation": 0.4321,
                        "disagreement": 0.0765,
                    }
                ],
                "branches": {
                    "efgc": {
                        "best_share": 0.6111,
                        "fusion_weight": {"mean": 0.5222, "std": 0.01, "min": 0.5, "max": 0.5999},
                    },
                    "<deep>": {
                        "best_share": 0.3889,
                        "fusion_weight": {"mean": 0.4778, "std": 0.01, "min": 0.4001, "max": 0.5},
                    },
                },
            },
        }
    },
    "tables": {
        "shared": {
            "[b]user": {"rows": 5432, "width": 16, "information_abundance": 7.891},
            "<item>": {"rows": 98765, "width": 16, "information_abundance": None},
        },
        "gate": {
            "[b]user": {"rows": 5432, "width": 8, "information_abundance": 2.345},
            "<item>": {"rows": 98765, "width": 8, "information_abundance": 1.5},
        },
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


def terminal(metrics) -> str:
    with io.StringIO() as text:
        console = Console(file=text, width=140, soft_wrap=True)  # as in pipeline.system.console
        print_metrics("test", metrics["evaluation"]["test"], console)
        print_embedding_tables(metrics.get("tables", {}), console)
        return text.getvalue()


def test_page_and_terminal_show_how_the_branches_cooperate():
    for text in (page().text, terminal(METRICS)):
        for shown in ("0.4321", "7.65 %", "61.11 %", "38.89 %", "0.5222", "0.5999", "0.4001"):
            assert shown in text
        assert "efgc + <deep>" in text


def test_shows_dead_units_correlations_of_live_ones_and_curves_by_step():
    metrics = copy.deepcopy(METRICS)
    test = metrics["evaluation"]["test"]
    test["life"] = {
        "logit_spread": {"fused": 3.25, "<deep>": 0.0000123},
        "units": 128,
        "dead_units": {"efgc": 32, "<deep>": 128},
        "saturated_units": {"efgc": 0, "<deep>": 7},
    }
    pair, branches = test["cooperation"]["pairs"][0], test["cooperation"]["branches"]
    pair |= {"live_cross_expert_correlation": 0.8642, "logit_correlation": 0.9975}
    for name, constant in (("efgc", 32), ("<deep>", 61)):
        branches[name] |= {"units": 128, "constant_units": constant}
    history = metrics["training"]["history"]
    history["val_dead_units_deep"] = history["val_correlation_a_b"] = [1.0, 2.0, 3.0]
    line = {"examples": 10.0, "loss": 1.0, "logloss": 0.5, "co_teaching_share": 0.1}
    line["normalized_entropy"] = {"fused": 0.98}
    parsed = _Text()
    parsed.feed(report_html("run", metrics, "", [line, {**line, "examples": 20.0}]))
    for text in (parsed.text, terminal(metrics)):
        for shown in ("128 (100%)", "32 (25%)", "1.23e-05", "3.25", "0.8642", "0.9975", "61"):
            assert shown in text
    plain = page()
    assert parsed.tags.count("g") > 1.5 * plain.tags.count("g")  # more panels


def test_the_terminal_leaves_the_cooperation_on_validation_rows_to_the_page():
    metrics = copy.deepcopy(METRICS)
    metrics["evaluation"] = {"valid": metrics["evaluation"]["test"]}
    assert "0.4321" in report_html("a", metrics, "")
    with io.StringIO() as text:
        print_metrics("valid", metrics["evaluation"]["valid"], Console(file=text))
        assert "0.7124" in text.getvalue()
        assert "0.4321" not in text.getvalue()


def test_page_and_terminal_show_the_tables_the_largest_first():
    for text in (page().text, terminal(METRICS)):
        assert "at most the width, 8, 16" in text
        for shown in ("98,765", "7.89", "2.35", "shared (16 wide)", "gate (8 wide)"):
            assert shown in text
        assert text.index("<item>") < text.index("[b]user")  # which is no markup either


def test_many_pairs_and_tables_are_cut_and_say_so():
    metrics = copy.deepcopy(METRICS)
    metrics["tables"] = {
        "shared": {
            f"v{i:02}": {"rows": i, "width": 4, "information_abundance": 1.0} for i in range(25)
        }
    }
    pair = metrics["evaluation"]["test"]["cooperation"]["pairs"][0]
    metrics["evaluation"]["test"]["cooperation"]["pairs"] = [
        {**pair, "branches": [f"b{i:02}", "other"], "cross_expert_correlation": i / 30}
        for i in range(28)
    ]
    text = terminal(metrics)
    assert "the 20 largest of 25" in text
    assert "at most the width, 4" in text
    assert "the 20 most correlated of 28 pairs" in text
    for name in ("v24", "v05", "b27", "b08"):
        assert name in text
    for name in ("v04", "v00", "b07", "b00"):
        assert name not in text


def test_what_a_run_does_not_have_is_not_shown():
    metrics = copy.deepcopy(METRICS)
    del metrics["tables"], metrics["evaluation"]["test"]["cooperation"]["branches"]
    del metrics["evaluation"]["test"]["cooperation"]["pairs"][0]["disagreement"]
    for text in (report_html("a", metrics, ""), terminal(metrics)):
        assert "0.4321" in text
        for absent in ("disagree", "best on", "mean weight", "abundance"):
            assert absent not in text
    del metrics["evaluation"]["test"]["cooperation"]  # one branch, or a run of an older version
    assert "correlation" not in report_html("a", metrics, "") + terminal(metrics)


def test_a_metric_that_is_not_defined_is_a_dash():
    metrics = copy.deepcopy(METRICS)
    metrics["evaluation"]["test"]["metrics"]["fused"]["gauc"] = None
    assert "<td>–</td>" in report_html("a", metrics, "")
    assert "–" in terminal(metrics)


def test_names_are_text_and_never_markup():
    parsed = page()
    assert not {"b", "i", "deep", "item"} & set(parsed.tags)
    assert "runs/<b>" in parsed.text
    assert "<deep>" in parsed.text


def test_stands_alone_and_depends_on_the_metrics_alone():
    html = report_html("a", METRICS, "")
    assert "<svg" in html
    assert 'src="http' not in html
    assert "<script" not in html
    assert html == report_html("a", METRICS, "")


def test_names_the_run_that_it_started_from():
    started = {**METRICS, "warm_start": {"run": "runs/<monday>"}}
    page = report_html("runs/tuesday", started, "train: {}")
    assert "Started from the network of runs/&lt;monday&gt;." in page


def test_the_page_names_the_data_and_the_protocol_of_their_split():
    data = {
        "source": "avazu",
        "rows": {"train": 1200, "valid": 30, "test": 30},
        "split": "by day of column '<hour>', published: the validation rows are the test rows",
    }
    page = report_html("a run", {**METRICS, "data": data}, "data: {}")
    assert "Data: avazu, rows: 1,200 train, 30 valid, 30 test." in page
    assert "&lt;hour&gt;" in page
    assert "published: the validation rows are the test rows" in page
    assert "Data:" not in report_html("a run", METRICS, "data: {}")


def test_weighted_metrics_can_be_read_in_a_narrow_terminal():
    metrics = copy.deepcopy(METRICS)
    weighted = {"weighted_logloss": 0.2285, "weighted_calibration": 0.9525}
    others = {"normalized_entropy": 1.7402, "calibration": 0.1554}
    for values in metrics["evaluation"]["test"]["metrics"].values():
        values |= {**others, **weighted, "weighted_normalized_entropy": 1.0094}
    with io.StringIO() as text:
        print_metrics("valid", metrics["evaluation"]["test"], Console(file=text, width=80))
        shown = text.getvalue()
    assert "…" not in shown
    before, after = shown.split("the same rows")
    assert "1.7402" in before
    for number in ("0.2285", "1.0094", "0.9525"):
        assert number in after
    assert "each counted by its weight" in report_html("a", metrics, "")


def test_says_what_is_wrong_first_and_what_a_plain_model_has():
    scores = {"auc": 0.69561, "logloss": 0.62731}
    more = {"findings": ["valid rows: <b>bad</b>"], "baseline": {"rows": 79_999, "test": scores}}
    page = report_html("run", {**METRICS, **more}, "")
    assert "<li>valid rows: &lt;b&gt;bad&lt;/b&gt;.</li>" in page
    assert page.index("<li>") < page.index("<table>")
    assert "79,999 training rows has test AUC 0.6956, logloss 0.6273." in page
    assert "before this is served" not in report_html("run", METRICS, "")
