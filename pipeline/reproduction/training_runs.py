"""Training runs of a table: each in a process of its own, skipped where it is finished."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.bundle import open_bundle
from features.errors import UserError
from pipeline.config.config_files import load_config
from pipeline.config.fit_to_data import DataSize, fit_to_data
from pipeline.data.job.data_job import build_bundle
from pipeline.runs.run_dir import RunDir
from pipeline.system.console import say
from serving.exporting.fresh_process import environment


@dataclass(frozen=True)
class Task:
    """One run.

    Args:
        config: Configuration file.
        settings: `KEY=VALUE` texts laid over it.
        bundle: Folder of its data.
        seed: Becomes `train.seed`.
        folder: Folder of the run.
    """

    config: Path
    settings: tuple[str, ...]
    bundle: str
    seed: int
    folder: Path


def bundle_of(config: Path, settings: Sequence[str]) -> str:
    """Builds a configuration's bundle, or finds it; named as the configuration's folder is."""
    loaded = load_config(config, settings)
    folder = f"bundles/{config.resolve().parent.name}"
    return build_bundle(loaded.feature_set, loaded.data, folder).path


def run_all(tasks: Sequence[Task], jobs: int) -> list[dict[str, Any]]:
    """Trains what is not trained yet, `jobs` at a time; what was interrupted goes on.

    With several at a time each has its share of the cores. When this is ended, so are they.

    Returns:
        Content of each run's metrics.json, in the order of the tasks.

    Raises:
        UserError: A training failed; the sentence has what it said. The others are ended.
    """
    processes = _Processes(jobs)
    with ThreadPoolExecutor(jobs) as pool:
        results = [pool.submit(processes.metrics_of, task) for task in tasks]
        try:
            return [result.result() for result in results]
        except BaseException:
            processes.end()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def test_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Metrics of the fused prediction on test rows."""
    return metrics["evaluation"]["test"]["metrics"]["fused"]


class _Processes:
    """The trainings that are running, so that they can be ended."""

    def __init__(self, jobs: int) -> None:
        self._environment = environment()
        if jobs > 1:
            threads = max(1, len(os.sched_getaffinity(0)) // jobs)
            self._environment |= {
                "TF_NUM_INTRAOP_THREADS": str(threads),
                "OMP_NUM_THREADS": str(threads),
            }
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def metrics_of(self, task: Task) -> dict[str, Any]:
        """Trains where that is not done yet; the content of metrics.json."""
        run = RunDir(task.folder)
        settings = [*task.settings, f"train.seed={task.seed}"]
        bundle = open_bundle(task.bundle)
        config, _ = fit_to_data(
            load_config(task.config, settings, check=False), DataSize.of(bundle)
        )
        pipeline = [sys.executable, "-m", "pipeline"]
        if not run.has_finished("evaluate", config, bundle):
            words = ["train", "--config", str(task.config), "--out", str(run.path), "--overwrite"]
            for setting in settings:
                words += ["--set", setting]
            self._run([*pipeline, *words, "--bundle", task.bundle])
        elif not run.scores_file.exists():  # a run of before scores were kept
            self._run([*pipeline, "evaluate", str(run.path), "--bundle", task.bundle])
        say("run", f"{run.path}: done")
        return run.metrics()

    def end(self) -> None:
        """Ends what is running, and lets nothing begin any more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.terminate()

    def _run(self, command: Sequence[str]) -> None:
        with self._lock:
            if self._ended:
                raise UserError("ended before it was done")
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._environment,
            )
            self._running.add(process)
        said, _ = process.communicate()
        with self._lock:
            self._running.discard(process)
        if process.returncode:
            last = "\n".join(said.strip().splitlines()[-5:])
            raise UserError(
                f"a training ended with exit code {process.returncode}: {' '.join(command)}\n{last}"
            )
