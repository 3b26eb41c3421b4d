"""Training runs of a benchmark: each in a process of its own, skipped where it is finished."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from features.bundle import open_bundle
from pipeline.config.config_files import load_config
from pipeline.config.fit_to_data import DataSize, fit_to_data
from pipeline.data.job.data_job import build_bundle
from pipeline.runs.run_dir import RunDir


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
    """Trains what is not trained yet, `jobs` at a time.

    Returns:
        Content of each run's metrics.json, in the order of the tasks.
    """
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(_metrics_of, tasks))


def test_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Metrics of the fused prediction on test rows."""
    return metrics["evaluation"]["test"]["metrics"]["fused"]


def mean_and_spread(values: Sequence[float], form: str = "{:.4f}") -> str:
    """Mean +- sample standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{form.format(statistics.mean(values))} ± {spread:.4f}"


def differences_and_interval(values: Sequence[float], form: str = "{:+.4f}") -> str:
    """Each of some paired differences, their mean, and Student's 95 % interval of the mean."""
    shown = ", ".join(form.format(value) for value in values)
    if len(values) < 2:
        return shown
    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error) if error else (mean, mean)
    return f"{shown}; mean {form.format(mean)} ({form.format(low)} to {form.format(high)})"


def save_figure(path: Path, size: tuple[float, float], draw: Callable[[Any], None]) -> None:
    """Draws into one pair of axes; the same content gives the same file.

    Args:
        path: Where it is saved; the suffix chooses the format.
        size: Width and height in inches.
        draw: Receives the axes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots())
    with matplotlib.rc_context({"svg.hashsalt": "concord"}):
        figure.savefig(path, metadata={"Date": None})


def draw_seeds(axes: Any, rows: Sequence[tuple[str, Sequence[float]]], label: str) -> None:
    """A row of dots, one a seed, with a bar at their mean, for each (title, values)."""
    for row, (_, values) in enumerate(rows):
        axes.plot(values, [row] * len(values), "o", color="#2a6fbb", alpha=0.75)
        axes.plot([statistics.mean(values)], [row], "|", color="#111", markersize=16)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)


def _metrics_of(task: Task) -> dict[str, Any]:
    run = RunDir(task.folder)
    settings = [*task.settings, f"train.seed={task.seed}"]
    command = [sys.executable, "-m", "pipeline", "train", "--config", str(task.config)]
    command += ["--bundle", task.bundle, "--out", str(run.path)]
    for setting in settings:
        command += ["--set", setting]
    bundle = open_bundle(task.bundle)
    config, _ = fit_to_data(load_config(task.config, settings), DataSize.of(bundle))
    if not run.has_finished("evaluate", config, bundle):
        done = subprocess.run([*command, "--overwrite"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    print(f"{run.path}: done", file=sys.stderr, flush=True)
    return json.loads(run.metrics_file.read_text())
