"""The main job: raw logs -> bundle -> trained network -> evaluation -> export -> scored rows."""

import subprocess
import sys
from pathlib import Path

from features.bundle import Bundle
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import build_bundle
from pipeline.runs.run_dir import RunDir
from pipeline.stages.describe_bundle import say_bundle
from pipeline.stages.evaluate_stage import evaluate_stage, show_evaluation
from pipeline.stages.export_stage import export_stage
from pipeline.stages.fitted_config import fitted_config
from pipeline.stages.start import FRESH, Start, check_start
from pipeline.stages.train_stage import train_stage
from pipeline.system.bundle_readers import reading
from pipeline.system.console import say
from pipeline.system.lock import only_job_at
from pipeline.system.program import command, python
from pipeline.training.train import load_network
from serving.export_format.export_layout import SAMPLE_ROWS, version_folders
from serving.exporting.fresh_process import environment


def run_main_job(config: RunConfig, run: RunDir, bundle_path: str, start: Start = FRESH) -> None:
    """Does what is not done yet, and shows the results.

    Args:
        config: Configuration of the run, from `pipeline.config.config_files.load_config`.
        run: Folder that the run's files go to.
        bundle_path: Path that the bundle is built at, or lies at already.
        start: How the run begins.
    """
    check_start(config, run, start)
    bundle = build_bundle(config.feature_set, config.data, bundle_path)
    say_bundle(bundle)
    config = fitted_config(config, bundle, start)
    with reading(bundle), only_job_at(str(run.path)):
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
