"""The stage `export`: a version of the SavedModel, or of a variant of it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from features.bundle import Bundle
from features.errors import ExportError
from models.network import CooperativeNetwork
from models.network.logit_map import with_maps
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.branch_life import CONSTANT
from pipeline.evaluation.findings import is_worse_than_click_rate
from pipeline.evaluation.print_tables import print_table
from pipeline.evaluation.scores import FUSED
from pipeline.evaluation.text_tables import TextTable
from pipeline.export.export_variant import export_variant
from pipeline.export.fill_model_card import model_card
from pipeline.runs.run_dir import RunDir
from pipeline.stages.recalibrate import held_maps
from pipeline.system.console import console, say
from serving.exporting.export import export
from serving.scoring.raw_rows import read_rows
from serving.variants.variant import FULL, Variant
from serving.variants.variant_report import VARIANT_REPORT, report_rows

_VERIFIED = "%s, verified on %s rows"
_log = logging.getLogger(__name__)


def export_stage(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    network: CooperativeNetwork,
    variant: Variant = FULL,
    candidates: Sequence[str] | None = None,
    base: Path | None = None,
    force: bool = False,
) -> Path:
    """Writes a new version of the SavedModel, or of a variant of it.

    Args:
        config: Configuration of the run.
        bundle: Data bundle that the run was trained on.
        run: Run whose network is exported, into its folder.
        network: The trained network. After the export of a variant it is of no further use.
        variant: What to export.
        candidates: Features that differ between candidates, in place of `export.candidates`.
        base: Folder of the versions, in place of the run's own.
        force: Whether to export a network that says the same of every row, or predicts worse than
            the click rate does.

    Returns:
        Folder of the version.

    Raises:
        ExportError: The export does not reproduce the network's scores, cannot be written, or
            would be worth nothing: one number for every row, or worse than the click rate.
    """
    if not force:
        _check_worth(run, variant.branch)
    maps = held_maps(run, network.branch_names)
    candidates = config.export.candidates if candidates is None else candidates
    sample = next(read_rows(bundle.sample_rows, bundle.metadata.features))
    if not variant.is_full:
        version = export_variant(
            config, bundle, run, network, variant, sample, base, candidates, maps=maps
        )
        _log.info(_VERIFIED, version, f"{sample.num_rows:,}")
        show_variant(version)
        return version
    metrics = run.metrics()
    features = bundle.metadata.features
    card = model_card(run.path.resolve().name, config, bundle, network, metrics, features)
    version = export(
        with_maps(network, maps),
        bundle,
        base or run.export,
        sample,
        candidates=candidates,
        extras=card.to_files(),
    )
    _log.info(_VERIFIED, version, f"{sample.num_rows:,}")
    if base is None:
        run.finish("export")
    return version


def _check_worth(run: RunDir, branch: str | None) -> None:
    """Refuses predictions that the evaluation of a run found to be one number, or worse than one.

    Raises:
        ExportError: Says which, and what can be done.
    """
    valid = run.metrics().get("evaluation", {}).get("valid", {})
    name = branch or FUSED
    what = "the network" if branch is None else f"branch {branch!r}"
    spread = valid.get("life", {}).get("logit_spread", {}).get(name)
    if spread is not None and 0.0 < valid["click_rate"] < 1.0 and spread <= CONSTANT:
        raise ExportError(
            f"{what} of {run.path} says the same of all {valid['rows']:,} validation rows: its "
            f"logits differ by {spread:.1g} at most. Train it again with other settings, or "
            "export it as it is with --force."
        )
    if is_worse_than_click_rate(valid, name):
        raise ExportError(
            f"{what} of {run.path} is no better on validation rows than their click rate given to "
            f"every row: normalized entropy {valid['metrics'][name]['normalized_entropy']:.3f}. "
            "Train it again with other settings, or export it as it is with --force."
        )


def show_variant(version: Path) -> None:
    """Prints the report of a variant."""
    report = json.loads((version / VARIANT_REPORT).read_text())
    columns, *rows = report_rows(report)
    print_table(report["difference_in_words"], TextTable("", columns, rows), console)
    say("", f"ms are medians, the exports called in turn: {report['timed']}")
