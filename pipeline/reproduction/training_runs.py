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
        UserError: A folder holds a finished run of other settings, which is not replaced; or a
            training failed: the sentence has what it said. The others are ended.
    """
    processes = _Processes(jobs)
    prepared = [_Prepared.of(task) for task in tasks]
    with ThreadPoolExecutor(jobs) as pool:
        results = [pool.submit(processes.metrics_of, each) for each in prepared]
        try:
            return [result.result() for result in results]
        except BaseException:
            processes.end()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def test_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Metrics of the fused prediction on test rows."""
    return metrics["evaluation"]["test"]["metrics"]["fused"]


@dataclass(frozen=True)
class _Prepared:
    """A run that may be trained.

    Args:
        run: Its folder.
        done: Whether it is trained and evaluated, with just these settings.
        train: Words of the command that trains and evaluates it.
        evaluate: Words of the command that evaluates it again.
    """

    run: RunDir
    done: bool
    train: tuple[str, ...]
    evaluate: tuple[str, ...]

    @classmethod
    def of(cls, task: Task) -> "_Prepared":
        """Looks at what is there.

        Raises:
            UserError: A finished run of other settings.
        """
        run, bundle = RunDir(task.folder), open_bundle(task.bundle)
        settings = [*task.settings, f"train.seed={task.seed}"]
        loaded = load_config(task.config, settings, check=False)
        config, _ = fit_to_data(loaded, DataSize.of(bundle))
        if run.state().get("finished") and not run.was_trained_on(config, bundle):
            raise UserError(
                f"{run.path} holds a finished run of other settings or data, which is not "
                "replaced. Give another folder with --out, or remove it."
            )
        words = ["train", "--config", str(task.config), "--out", str(run.path)]
        for setting in settings:
            words += ["--set", setting]
        there = ["--bundle", task.bundle]
        done = run.has_finished("evaluate", config, bundle)
        return cls(run, done, (*words, *there), ("evaluate", str(run.path), *there))


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

    def metrics_of(self, prepared: _Prepared) -> dict[str, Any]:
        """Trains where that is not done yet; the content of metrics.json."""
        run = prepared.run
        if not prepared.done:
            self._run(prepared.train)
        elif not run.scores_file.exists():  # a run of before scores were kept
            self._run(prepared.evaluate)
        say("run", f"{run.path}: done")
        return run.metrics()

    def end(self) -> None:
        """Ends what is running, and lets nothing begin any more."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.terminate()

    def _run(self, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "pipeline", *words]
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
