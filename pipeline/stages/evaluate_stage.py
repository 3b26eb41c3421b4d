"""The stage `evaluate`: metrics.json, report.html and tables in the terminal."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.bundle import Bundle
from features.input_shares import counts_of_split, differences, in_words, training_shares
from models.network import CooperativeNetwork
from models.network.logit_map import correction_for_negatives
from pipeline.config.config_files import dump_config, yaml_text
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.evaluate import evaluate, tables_report
from pipeline.evaluation.findings import findings
from pipeline.evaluation.kept_scores import save_scores
from pipeline.evaluation.logistic_baseline import logistic_baseline
from pipeline.evaluation.print_tables import print_metrics
from pipeline.reporting.numbers import Asked, report_numbers
from pipeline.reporting.run_report import report_html
from pipeline.runs.run_dir import RunDir
from pipeline.stages.describe_bundle import data_report
from pipeline.stages.progressive import split_report
from pipeline.stages.recalibrate import held_maps, recalibrate
from pipeline.stages.show_evaluation import with_previous
from pipeline.system.console import console
from pipeline.system.files import write_json, write_text
from pipeline.training.cluster import is_chief
from pipeline.training.step_curves import read_curves

_log = logging.getLogger(__name__)
_DIGITS = 8  # of a bundle's fingerprint, in the name of a file


def evaluate_stage(
    config: RunConfig, bundle: Bundle, run: RunDir, network: CooperativeNetwork
) -> None:
    """Computes the metrics of validation and test rows; writes metrics.json, scores and report."""
    maps, before = recalibrate(config, bundle, run, network), None
    if config.train.recalibration is not None:
        kept = bundle.metadata.negatives_kept
        before = correction_for_negatives(kept, network.branch_names)
    batch_size, weight_by = config.train.eval_batch_size, config.evaluate.gauc_weight_by
    evaluation = evaluate(network, bundle, batch_size, weight_by, maps, before)
    if not is_chief():  # it took part in the scoring
        return
    baseline = logistic_baseline(bundle) if config.train.baseline else None
    save_scores(run.scores_file, evaluation.scores)
    said = findings(evaluation.report, run.metrics().get("training"), baseline)
    metrics = run.update_metrics(
        data=data_report(bundle),
        evaluation=evaluation.report,
        recalibration=config.train.recalibration,
        baseline=baseline,
        findings=said,
        tables=tables_report(network),
    )
    numbers = None
    asked = config.evaluate.report
    run.report_numbers_file.unlink(missing_ok=True)
    if asked.sample_rows and asked.seconds:
        numbers = report_numbers(
            Asked(
                network=network,
                bundle=bundle,
                scores=evaluation.scores,
                before=evaluation.before,
                maps=maps,
                weight_by=weight_by,
                sample_rows=asked.sample_rows,
                seconds=asked.seconds,
                gradients=config.train.gradient_norms,
            )
        )
        write_json(str(run.report_numbers_file), numbers)
    write_text(str(run.report_file), _page(config, run, metrics, numbers))
    run.finish("evaluate")
    warn_of_inputs(bundle)
    for sentence in said:
        _log.warning("%s", sentence)


def _page(
    config: RunConfig,
    run: RunDir,
    metrics: Mapping[str, Any],
    numbers: Mapping[str, Any] | None,
) -> str:
    given = run.state().get("given")
    return report_html(
        str(run.path),
        with_previous(dict(metrics)),
        dump_config(config),
        read_curves(run.curves_file),
        numbers,
        given=yaml_text(given) if given else "",
    )


def evaluate_elsewhere(
    config: RunConfig, bundle: Bundle, run: RunDir, network: CooperativeNetwork
) -> Path:
    """Scores all rows of a bundle that the run was not trained on, prints and writes the metrics.

    Args:
        config: Configuration of the run.
        bundle: Data bundle with the ids of the run's own, such as one on frozen vocabularies.
        run: Folder of the run; its metrics.json and report stay as they are.
        network: The trained network.

    Returns:
        Path of the file: `evaluation-NAME-DIGITS.json` in the run, NAME being that of the bundle's
        folder and DIGITS the first of its fingerprint, as folders of two bundles may have one name.

    Raises:
        ConfigError: The bundle's ids mean something else.
    """
    run.check_ids(bundle)
    maps = held_maps(run, network.branch_names)
    batch_size, weight_by = config.train.eval_batch_size, config.evaluate.gauc_weight_by
    reports = {
        split: split_report(network, bundle, split, batch_size, weight_by, maps)
        for split, rows in bundle.metadata.rows.items()
        if rows
    }
    for split, report in reports.items():
        print_metrics(split, report, console)
    warn_of_inputs(bundle)
    fingerprint = bundle.manifest.fingerprint
    name = os.path.basename(os.path.abspath(bundle.path))
    path = run.path / f"evaluation-{name}-{fingerprint[:_DIGITS]}.json"
    write_json(
        str(path), {"bundle": bundle.path, "fingerprint": fingerprint, "evaluation": reports}
    )
    return path


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
