"""Trains configurations over several seeds; prints mean and spread of their test metrics.

    python -m benchmarks.ablation configs/movielens_100k --figure docs/movielens_100k.svg

Each (configuration, seed) trains in a process of its own and is skipped where it is finished
already, so that an interrupted run goes on. All of them read one bundle.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from features.bundle import open_bundle
from pipeline.config_files import load_config
from pipeline.data.job import build_bundle
from pipeline.run_dir import RunDir

# In the order of the table; a folder of configurations may hold others, which come last.
TITLES = {
    "mbcnet": "MBCnet",
    "cetnet": "CETNet",
    "dmoe": "D-MoE",
    "efgc": "EFGC branch alone",
    "cross": "cross branch alone",
    "deep": "deep branch alone",
    "without_co_teaching": "MBCnet without co-teaching",
    "without_differentiation": "MBCnet without moderate differentiation",
    "without_cooperation": "MBCnet without both",
}
METRICS = {"auc": "AUC", "gauc": "gAUC", "logloss": "logloss"}
Results = dict[str, list[dict[str, float]]]  # configuration -> metrics of each seed


def main() -> None:
    arguments = _parse_arguments()
    configs = _configs(arguments.configs, arguments.only)
    loaded = load_config(configs[0], arguments.set)
    bundle = build_bundle(loaded.feature_set, loaded.data, f"bundles/{loaded.data.source}")
    out = arguments.out / arguments.configs.name
    tasks = [(config, seed) for seed in arguments.seeds for config in configs]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = list(pool.map(lambda task: _train(*task, bundle.path, out, arguments.set), tasks))
    results: Results = {config.stem: [] for config in configs}
    for (config, _), run in zip(tasks, runs, strict=True):
        metrics = json.loads(run.metrics_file.read_text())
        results[config.stem].append(metrics["evaluation"]["test"]["metrics"]["fused"])
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(_table(results, len(arguments.seeds)))
    if arguments.figure:
        _plot(results, arguments.figure)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", type=Path, help="folder of configurations")
    parser.add_argument("--only", nargs="+", default=[], help="names of configurations")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--figure", type=Path, help="where to draw the AUC of every seed")
    return parser.parse_args()


def _configs(folder: Path, only: Sequence[str]) -> list[Path]:
    order = list(TITLES)
    found = [
        path
        for path in folder.glob("*.yaml")
        if path.name != "dataset.yaml" and (not only or path.stem in only)
    ]
    if not found or len(found) < len(only):
        sys.exit(f"{folder} holds no configuration of the name {' or '.join(only) or '*'}.")
    return sorted(
        found, key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p.stem)
    )


def _train(config: Path, seed: int, bundle: str, out: Path, settings: Sequence[str]) -> RunDir:
    run = RunDir(out / config.stem / f"seed_{seed}")
    settings = [*settings, f"train.seed={seed}"]
    command = [sys.executable, "-m", "pipeline", "train", "--config", str(config)]
    command += ["--bundle", bundle, "--out", str(run.path)]
    for setting in settings:
        command += ["--set", setting]
    if not run.has_finished("evaluate", load_config(config, settings), open_bundle(bundle)):
        done = subprocess.run([*command, "--overwrite"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    print(f"{config.stem} seed {seed}: done", file=sys.stderr, flush=True)
    return run


def _table(results: Results, seeds: int) -> str:
    """Markdown: mean +- sample standard deviation over the seeds."""
    lines = [
        f"| {seeds} seeds, test | {' | '.join(METRICS.values())} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    for name, runs in results.items():
        cells = []
        for metric in METRICS:
            values = [run[metric] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.4f} ± {spread:.4f}")
        lines.append(f"| {TITLES.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _plot(results: Results, path: Path) -> None:
    """A dot for the test AUC of every seed, a bar at their mean."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.45 * len(results) + 1.1), layout="constrained")
    axes = figure.subplots()
    for row, runs in enumerate(results.values()):
        values = [run["auc"] for run in runs]
        axes.plot(values, [row] * len(values), "o", color="#2a6fbb", alpha=0.75)
        axes.plot([statistics.mean(values)], [row], "|", color="#111", markersize=16)
    axes.set_yticks(range(len(results)), [TITLES.get(name, name) for name in results])
    axes.invert_yaxis()
    axes.set_xlabel("test AUC: a dot for each seed, a bar at the mean")
    axes.grid(axis="x", alpha=0.3)
    with matplotlib.rc_context({"svg.hashsalt": "concord"}):
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
