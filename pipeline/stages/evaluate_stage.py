"""The stage `evaluate`: metrics.json, report.html and tables in the terminal."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from features.bundle import Bundle
from features.input_shares import counts_of_split, differences, in_words, training_shares
from models.network import CooperativeNetwork
from pipeline.config.config_files import dump_config
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.evaluate import evaluation_report, tables_report
from pipeline.evaluation.html_report import report_html
from pipeline.evaluation.print_tables import print_embedding_tables, print_metrics
from pipeline.evaluation.scores import FUSED
from pipeline.runs.run_dir import RunDir
from pipeline.stages.describe_bundle import data_report
from pipeline.stages.progressive import with_previous
from pipeline.system.console import console
from pipeline.system.files import write_text
from pipeline.training.cluster import is_chief
from pipeline.training.step_curves import read_curves

_log = logging.getLogger(__name__)


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
    warn_of_inputs(bundle)
    warn_of_scores(report)


def warn_of_scores(report: Mapping[str, Any]) -> None:
    """Says where validation or test rows are served better by the click rate alone, or clicks are
    foreseen far too often or too rarely.

    Args:
        report: What `evaluation_report` returns.
    """
    for split in ("valid", "test"):
        scores = report[split]["metrics"][FUSED]
        entropy, calibration = scores["normalized_entropy"], scores["calibration"]
        if not math.isfinite(entropy):  # labels of one class
            continue
        if entropy >= 1.0:
            _log.warning(
                "%s rows: normalized entropy %.3f: the scores are no better than the click rate "
                "given to every row. Look at the label and the split, or train longer, with a "
                "smaller network or smaller batches",
                split,
                entropy,
            )
        if not 0.8 <= calibration <= 1.25:
            _log.warning(
                "%s rows: calibration %.2f: the scores add up to %.2f times the clicks",
                split,
                calibration,
                calibration,
            )


def warn_of_inputs(bundle: Bundle) -> None:
    """Names the inputs of validation and test rows that are missing or unknown far more often, or
    missing far less often, than those of the training rows.
    """
    training = training_shares(bundle)
    if training is None:
        return
    for split in ("valid", "test"):
        found = differences(counts_of_split(bundle.statistics, split), training)
        for line in in_words(found):
            _log.warning("%s rows: %s", split, line)


def show_evaluation(run: RunDir) -> None:
    """Prints the evaluation that metrics.json holds."""
    metrics = with_previous(run.metrics())
    for split, report in metrics["evaluation"].items():
        print_metrics(split, report, console)
    print_embedding_tables(metrics.get("tables", {}), console)
