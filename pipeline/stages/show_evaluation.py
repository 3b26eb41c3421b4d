"""The evaluation of a run in the terminal, from its metrics.json. No TensorFlow."""

from typing import Any

from pipeline.evaluation.print_tables import print_embedding_tables, print_metrics
from pipeline.runs.run_dir import RunDir
from pipeline.system.console import console, say

PREVIOUS = "fused (previous run)"


def show_evaluation(run: RunDir) -> None:
    """Prints the evaluation that metrics.json holds."""
    metrics = with_previous(run.metrics())
    for split, report in metrics["evaluation"].items():
        print_metrics(split, report, console)
    print_embedding_tables(metrics.get("tables", {}), console)
    baseline = metrics.get("baseline")
    if baseline is not None and "test" in baseline:
        scores = baseline["test"]
        say(
            "baseline",
            f"logistic regression on {baseline['rows']:,} training rows: test AUC "
            f"{scores['auc']:.4f}, logloss {scores['logloss']:.4f}",
        )


def with_previous(metrics: dict[str, Any]) -> dict[str, Any]:
    """metrics.json as reports show it: the previous run beside, the progressive rows first."""
    warm = metrics.get("warm_start")
    if warm is None:
        return metrics
    evaluation = {"progressive": warm["progressive"]} if "progressive" in warm else {}
    for split, report in metrics.get("evaluation", {}).items():
        before = warm["previous"][split]["metrics"]["fused"]
        fused, *branches = report["metrics"].items()
        rows = dict([fused, (PREVIOUS, before), *branches])
        evaluation[split] = {**report, "metrics": rows}
    return {**metrics, "evaluation": evaluation}
