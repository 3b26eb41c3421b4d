"""The main job: raw logs -> bundle -> trained network -> evaluation -> export -> scored rows."""

import subprocess
import sys
from pathlib import Path

from features.bundle import Bundle
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import build_bundle
from pipeline.runs.run_dir import RunDir
from pipeline.stages import finished_run
from pipeline.stages.describe_bundle import say_bundle
from pipeline.stages.evaluate_stage import evaluate_stage
from pipeline.stages.export_stage import export_stage
from pipeline.stages.fitted_config import fit
from pipeline.stages.results import say_changes, say_places, say_reused, say_scored, say_scoring
from pipeline.stages.show_evaluation import show_evaluation
from pipeline.stages.start import FRESH, Start, check_start
from pipeline.stages.train_stage import train_stage
from pipeline.system.bundle_readers import reading
from pipeline.system.lock import only_job_at
from pipeline.training.train import load_network
from serving.export_format.export_layout import SAMPLE_ROWS, version_folders
from serving.exporting.fresh_process import environment


def run_main_job(
    config: RunConfig,
    run: RunDir,
    bundle_path: str,
    start: Start = FRESH,
    key: str | None = None,
) -> None:
    """Does what is not done yet, and shows the results.

    Args:
        config: Configuration of the run, from `pipeline.config.config_files.load_config`.
        run: Folder that the run's files go to.
        bundle_path: Path that the bundle is built at, or lies at already.
        start: How the run begins.
        key: To keep the answer by, see `pipeline.stages.finished_run`; None keeps none.
    """
    check_start(config, run, start)
    bundle = build_bundle(config.feature_set, config.data, bundle_path)
    say_bundle(bundle)
    config, changes = fit(config, bundle, start)
    say_changes(changes)
    with reading(bundle), only_job_at(str(run.path)):
        _finish_stages(config, bundle, run, start)
    latest = version_folders(run.export)[0]
    scored, alone = score_sample(latest)
    if key is not None and alone and _says_all(config, start):
        finished_run.keep(run, key, bundle, changes, latest, scored)
    say_places(bundle, run, latest)


def _says_all(config: RunConfig, start: Start) -> bool:
    """Whether nothing beside a run's own settings decides about it: other runs, classes, files."""
    alone = not config.model.own_classes and not config.train.teachers
    return alone and start.warm_start is None


def _finish_stages(config: RunConfig, bundle: Bundle, run: RunDir, start: Start) -> None:
    network = None
    if run.has_finished("train", config, bundle, start.warm_start) and not start.restart:
        say_reused(run)
    else:
        network = train_stage(config, bundle, run, start)
    if not run.has_finished("evaluate", config, bundle, start.warm_start):
        network = network or load_network(config, bundle, run)
        evaluate_stage(config, bundle, run, network)
    show_evaluation(run)
    if not run.has_finished("export", config, bundle, start.warm_start):
        network = network or load_network(config, bundle, run)
        export_stage(config, bundle, run, network)


def score_sample(version: Path, rows: int = 5) -> tuple[list[str], bool]:
    """Scores a few raw rows from the export in a fresh process, as a user would, and prints them.

    Returns:
        The scored rows, a line each, and whether the process said nothing else.
    """
    say_scoring(version)
    sample = str(version / SAMPLE_ROWS)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "predict", str(version), "--input", sample],
        env=environment(),
        capture_output=True,
        text=True,
    )
    print(done.stderr, end="", file=sys.stderr)
    done.check_returncode()
    scored = done.stdout.splitlines()[:rows]
    say_scored(scored)
    return scored, not done.stderr
