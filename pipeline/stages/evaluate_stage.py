"""The stage `evaluate`: metrics.json, report.html and tables in the terminal."""

import json

from features.bundle import Bundle
from models.network import CooperativeNetwork
from pipeline.config.config_files import dump_config
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.evaluate import evaluation_report, tables_report
from pipeline.evaluation.html_report import report_html
from pipeline.evaluation.print_tables import print_embedding_tables, print_metrics
from pipeline.runs.run_dir import RunDir
from pipeline.stages.describe_bundle import data_report
from pipeline.stages.progressive import with_previous
from pipeline.system.console import console
from pipeline.system.files import write_text
from pipeline.training.cluster import is_chief
from pipeline.training.step_curves import read_curves


def evaluate_stage(
    config: RunConfig, bundle: Bundle, run: RunDir, network: CooperativeNetwork
) -> None:
    """Computes the metrics of validation and test rows; writes metrics.json and report.html."""
    report = evaluation_report(
        network, bundle, config.train.eval_batch_size, config.evaluate.gauc_weight_by
    )
    if not is_chief():  # it took part in the scoring
        return
    metrics = run.update_metrics(
        data=data_report(bundle), evaluation=report, tables=tables_report(network)
    )
    by_step = read_curves(run.curves_file)
    page = report_html(str(run.path), with_previous(metrics), dump_config(config), by_step)
    write_text(str(run.report_file), page)
    run.finish("evaluate")


def show_evaluation(run: RunDir) -> None:
    """Prints the evaluation that metrics.json holds."""
    metrics = with_previous(json.loads(run.metrics_file.read_text()))
    for split, report in metrics["evaluation"].items():
        print_metrics(split, report, console)
    print_embedding_tables(metrics.get("tables", {}), console)
