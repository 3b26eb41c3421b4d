"""The main job: raw logs -> bundle -> trained network -> evaluation -> export -> scored rows."""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from features.bundle import Bundle
from features.errors import ConfigError
from features.splits import in_words
from models.network import CooperativeNetwork
from pipeline.config.config_files import dump_config
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import build_bundle
from pipeline.evaluation.evaluate import evaluation_report, tables_report
from pipeline.evaluation.html_report import report_html
from pipeline.evaluation.print_tables import print_embedding_tables, print_metrics, print_table
from pipeline.evaluation.text_tables import TextTable
from pipeline.export.export_variant import export_variant
from pipeline.export.fill_model_card import model_card
from pipeline.runs.run_dir import RunDir
from pipeline.stages.progressive import check_progressive, start_warm, with_previous
from pipeline.stages.teachers import load_teachers
from pipeline.system.console import console, say
from pipeline.system.files import write_text
from pipeline.system.lock import only_job_at
from pipeline.system.program import command, python
from pipeline.training.cluster import is_chief
from pipeline.training.id_maps import earlier_metadata
from pipeline.training.strategy import wait_for_all
from pipeline.training.train import load_network, train
from pipeline.training.warm_start import WarmStart
from serving.export_format.export_layout import SAMPLE_ROWS, version_folders
from serving.exporting.export import export
from serving.exporting.fresh_process import environment
from serving.scoring.raw_rows import read_rows
from serving.variants.variant import FULL, Variant
from serving.variants.variant_report import VARIANT_REPORT, report_rows

_VERIFIED = "%s, verified on %s rows"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """How a run begins.

    Args:
        overwrite: Replace a finished run of another configuration.
        restart: Begin again where a training was interrupted, instead of continuing it.
        warm_start: An earlier run whose network this one takes over.
    """

    overwrite: bool = False
    restart: bool = False
    warm_start: RunDir | None = None


def run_main_job(config: RunConfig, run: RunDir, bundle_path: str, start: Start = Start()) -> None:
    """Does what is not done yet, and shows the results.

    Args:
        config: Configuration of the run, from `pipeline.config.config_files.load_config`.
        run: Folder that the run's files go to.
        bundle_path: Path that the bundle is built at, or lies at already.
        start: How the run begins.
    """
    check_start(config, run, start)
    bundle = build_bundle(config.feature_set, config.data, bundle_path)
    say("data", one_line(bundle))
    with only_job_at(str(run.path)):
        _finish_stages(config, bundle, run, start)
    latest = version_folders(run.export)[0]
    score_sample(latest)
    for stage, path in (
        ("bundle", bundle.path),
        ("run", run.path),
        ("report", run.report_file),
        ("logs", f"{python()} -m tensorboard.main --logdir {run.tensorboard}"),
        ("export", latest),
    ):
        say(stage, str(path))


def _finish_stages(config: RunConfig, bundle: Bundle, run: RunDir, start: Start) -> None:
    network = None
    if run.has_finished("train", config, bundle, start.warm_start) and not start.restart:
        say("train", f"{run.path} is trained with this configuration and data: reused")
    else:
        network = train_stage(config, bundle, run, start)
    if not run.has_finished("evaluate", config, bundle, start.warm_start):
        network = network or load_network(config, bundle, run)
        evaluate_stage(config, bundle, run, network)
    show_evaluation(run)
    if not run.has_finished("export", config, bundle, start.warm_start):
        network = network or load_network(config, bundle, run)
        export_stage(config, bundle, run, network)


def one_line(bundle: Bundle) -> str:
    """A bundle in one line."""
    metadata = bundle.metadata
    rows = " / ".join(f"{count:,} {split}" for split, count in metadata.rows.items())
    tokens = sum(metadata.analysis.vocabulary_sizes.values())
    return (
        f"{rows} examples, {len(metadata.features.inputs)} features in "
        f"{len(metadata.features.groups)} groups, {tokens:,} vocabulary entries; split "
        f"{in_words(metadata.split_rule)}"
    )


def data_report(bundle: Bundle) -> dict[str, Any]:
    """For metrics.json: which data, and by which protocol numbers were measured on them."""
    metadata = bundle.metadata
    return {
        "source": metadata.source,
        "rows": metadata.rows,
        "split": in_words(metadata.split_rule),
        "split_rule": metadata.split_rule,
    }


def train_stage(
    config: RunConfig, bundle: Bundle, run: RunDir, start: Start = Start()
) -> CooperativeNetwork:
    """Trains, or continues a training that was interrupted; notes the history in metrics.json.

    Raises:
        ConfigError: The bundle holds other data than the configuration describes, or has no
            validation or test rows, as `data.split` may ask for.
    """
    check_start(config, run, start)
    _check_data(config, bundle)
    _check_splits(bundle)
    if str(run.path.resolve()) in config.train.teachers:
        raise ConfigError(
            f"train.teachers names {run.path}, which this training would replace. Give another "
            "folder with --out."
        )
    teachers = load_teachers(config, bundle)  # before anything of an earlier run is replaced
    resume = not start.restart and run.can_continue(config, bundle, start.warm_start)
    wait_for_all()  # every process has looked before the chief begins
    warm_start = None if start.warm_start is None else WarmStart(start.warm_start, bundle)
    if resume:
        say("train", f"{run.path} was interrupted: continued. --restart begins again")
    elif is_chief():
        run.begin(config, bundle, start.overwrite, start.warm_start)
        say("config", f"{run.config_file} (resolved)")

    begin_warm = None
    if warm_start is not None:
        begin_warm = partial(_begin_warm, warm_start, config, bundle, run)
    trained = train(config, bundle, run, teachers, begin_warm, resume)
    if is_chief():
        run.update_metrics(data=data_report(bundle), training=trained.summary())
        run.finish("train")
    return trained.network


def _begin_warm(
    warm_start: WarmStart,
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    network: CooperativeNetwork,
) -> None:
    """Fills the network from the earlier run, says what was taken over, and notes it."""
    say("warm", f"starts from the network of {warm_start.run.path}")
    for name, counts in warm_start.counts.items():
        tokens = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        say("warm", f"{name}: {tokens}")
    report = start_warm(network, warm_start, config, bundle)
    if is_chief():
        run.update_metrics(warm_start=report)


def check_start(config: RunConfig, run: RunDir, start: Start) -> None:
    """Refuses a start that cannot be meant, before anything is built or replaced.

    Raises:
        ConfigError: The warm start is no finished run, is this very run, or is missing.
    """
    check_progressive(config, start.warm_start)
    if start.warm_start is None:
        return
    if start.warm_start.path.resolve() == run.path.resolve():
        raise ConfigError(
            f"--warm-start {run.path} is the folder that this training would replace. Give "
            "another folder with --out."
        )
    earlier_metadata(start.warm_start)


def _check_data(config: RunConfig, bundle: Bundle) -> None:
    """The network is made for the bundle; the configuration must not say otherwise."""
    metadata = bundle.metadata
    if metadata.source != config.data.source:
        different = (
            f"source {metadata.source!r}, and the configuration names {config.data.source!r}"
        )
    elif metadata.features.model_dump() != config.feature_set.model_dump():
        different = "other features, groups or histories than the configuration"
    else:
        return
    raise ConfigError(
        f"{bundle.path} was built with {different}. Give the bundle of this configuration with "
        "--bundle, or build it: python -m pipeline build-bundle --config ..."
    )


def _check_splits(bundle: Bundle) -> None:
    for split, rows in bundle.metadata.rows.items():
        if not rows:
            raise ConfigError(
                f"{bundle.path} has no {split} rows, which training, evaluation and export need. "
                f"Set data.split.{split} above 0, and build the bundle again."
            )


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
    page = report_html(str(run.path), with_previous(metrics), dump_config(config))
    write_text(str(run.report_file), page)
    run.finish("evaluate")


def show_evaluation(run: RunDir) -> None:
    """Prints the evaluation that metrics.json holds."""
    metrics = with_previous(json.loads(run.metrics_file.read_text()))
    for split, report in metrics["evaluation"].items():
        print_metrics(split, report, console)
    print_embedding_tables(metrics.get("tables", {}), console)


def export_stage(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    network: CooperativeNetwork,
    variant: Variant = FULL,
    candidates: Sequence[str] | None = None,
    base: Path | None = None,
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

    Returns:
        Folder of the version.

    Raises:
        ExportError: The export does not reproduce the network's scores, or cannot be written.
    """
    candidates = config.export.candidates if candidates is None else candidates
    sample = next(read_rows(bundle.sample_rows, bundle.metadata.features))
    if not variant.is_full:
        version = export_variant(config, bundle, run, network, variant, sample, base, candidates)
        _log.info(_VERIFIED, version, f"{sample.num_rows:,}")
        show_variant(version)
        return version
    metrics = json.loads(run.metrics_file.read_text())
    features = bundle.metadata.features
    card = model_card(run.path.resolve().name, config, bundle, network, metrics, features)
    version = export(
        network,
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


def show_variant(version: Path) -> None:
    """Prints the report of a variant."""
    report = json.loads((version / VARIANT_REPORT).read_text())
    columns, *rows = report_rows(report)
    print_table(report["difference_in_words"], TextTable("", columns, rows), console)
    say("", f"ms are medians, the exports called in turn: {report['timed']}")


def score_sample(version: Path, rows: int = 5) -> None:
    """Scores a few raw rows from the export in a fresh process, as a user would."""
    sample = version / SAMPLE_ROWS
    say("predict", f"{command()} predict {version} --input {sample}")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "predict", str(version), "--input", str(sample)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines()[:rows]:
        say("", line)
