"""The numbers of a table from runs that are made up, and the pages that show them."""

import statistics

import numpy as np
import pytest

from features.errors import UserError
from models.metrics import auc
from pipeline.evaluation.scores import Scores
from pipeline.reproduction.render import draw, markdown, result_tables
from pipeline.reproduction.results import RowRuns, table_results
from pipeline.reproduction.table import PaperTable, TableRow

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 200).astype("float32")
GROUPS = RNG.integers(0, 9, 200)
METRICS = ("auc", "gauc", "cross_expert_correlation")
PAPER = {"auc": 0.8123}


def run(quality, seed, labels=LABELS):
    rng = np.random.default_rng(seed)
    probs = {
        "fused": np.clip(0.5 + quality * (labels - 0.5) + rng.normal(0, 0.2, 200), 0.01, 0.99),
        "deep": np.clip(0.5 + rng.normal(0, 0.2, 200), 0.01, 0.99),
    }
    scores = Scores(labels, probs, GROUPS)
    evaluation = {
        "metrics": scores.metrics("impressions"),
        "cooperation": {"cross_expert_correlation": 0.1 * seed},
    }
    return {"evaluation": {"test": evaluation}}, scores


def rows(labels=LABELS):
    made = {
        "good": TableRow(preset="mbcnet", published={"Theirs": PAPER}),
        "bad | worse": TableRow(preset="dnn"),
        "deep inside": TableRow(of="good", branch="deep"),
    }
    qualities = {"good": 0.4, "bad | worse": 0.1, "deep inside": 0.4}
    built = {}
    for name, row in made.items():
        pairs = [run(qualities[name], seed, labels) for seed in (1, 2)]
        built[name] = RowRuns(row, [m for m, _ in pairs], [s for _, s in pairs])
    return built


def table(figure="seeds", data_sets=None):
    return PaperTable(
        title="Which is better",
        paper="A paper, Table 9",
        metrics=METRICS,
        baseline="good",
        data_sets=data_sets or {"Theirs": None},
        config="x",
        figure=figure,
        rows={name: each.row for name, each in rows().items()},
        notes=("A reading of ours.",),
    )


def report(data_set=None):
    found = table_results(rows(), METRICS, "good", "impressions")
    facts = {"data": "made", "protocol": "clean", "sizes": "fit", "seeds": [1, 2]}
    return {**found, **facts, "baseline": "good", "data_set": data_set}


def test_numbers_are_those_of_the_runs():
    found, made = report(), rows()
    cell = found["rows"]["good"]["auc"]
    expected = [auc(LABELS, s.probs["fused"]) for s in made["good"].scores]
    assert cell["values"] == pytest.approx(expected)
    assert cell["mean"] == pytest.approx(statistics.mean(expected))
    assert cell["spread"] == pytest.approx(statistics.stdev(expected))
    assert "to_baseline" not in cell
    inside = found["rows"]["deep inside"]["auc"]
    of_branch = [auc(LABELS, s.probs["deep"]) for s in made["good"].scores]
    assert inside["values"] == pytest.approx(of_branch)
    difference, low, high = inside["to_baseline"]
    assert difference == pytest.approx(statistics.mean(of_branch) - statistics.mean(expected))
    assert low < difference < high < 0.0
    assert "to_baseline" in found["rows"]["deep inside"]["gauc"]
    correlation = found["rows"]["good"]["cross_expert_correlation"]
    assert correlation["mean"] == pytest.approx(0.15)
    assert "to_baseline" not in found["rows"]["bad | worse"]["cross_expert_correlation"]
    assert found["test_rows"] == 200


def test_other_test_rows_are_not_paired():
    mixed = {**rows(), "bad | worse": rows(1.0 - LABELS)["bad | worse"]}
    with pytest.raises(UserError, match=r"the test rows of 'bad \| worse' are others"):
        table_results(mixed, METRICS, "good", "impressions")


def test_a_run_without_a_measure_has_a_dash():
    made = rows()
    del made["good"].metrics[0]["evaluation"]["test"]["cooperation"]
    cell = table_results(made, METRICS, "good", "impressions")["rows"]["good"]
    assert cell["cross_expert_correlation"]["mean"] is None


def test_the_page_has_every_number_and_the_papers():
    page = markdown(table(), report(), "concord reproduce x")
    found = report()["rows"]
    for name, row in found.items():
        for metric in METRICS:
            assert f"{row[metric]['mean']:.4f}" in page, (name, metric)
        assert name.replace("|", "\\|") in page
    assert "    concord reproduce x" in page
    assert "A reading of ours." in page
    assert "Published, on other data: Theirs" in page
    assert "0.8123" in page
    beside = result_tables(table(data_sets={"Theirs": "made"}), report("Theirs"))
    assert len(beside) == 1
    assert beside[0].columns[-3] == "AUC, paper"
    assert beside[0].rows[0][-3] == "0.8123"
    assert beside[0].rows[1][-3] == "–"


@pytest.mark.parametrize("figure", ["seeds", "scatter", "curves"])
def test_pictures_are_drawn_and_the_same_each_time(figure, tmp_path):
    lines = [{"examples": 10.0 * i, "normalized_entropy": {"fused": 1 - 0.1 * i}} for i in (1, 2)]
    lines.append({"examples": 30.0, "normalized_entropy": None})
    curves = {"good": [lines, lines], "bad | worse": [[]]}
    for name in ("a.svg", "b.svg"):
        draw(table(figure), report(), curves, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert b"<svg" in first
