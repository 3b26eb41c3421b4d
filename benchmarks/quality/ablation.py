"""Trains configurations over several seeds; prints mean and spread of their test metrics.

    python -m benchmarks.quality.ablation configs/movielens_100k --figure docs/movielens_100k.svg

Each (configuration, seed) trains in a process of its own and is skipped where it is finished
already, so that an interrupted run goes on. All of them read one bundle.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.reproduction.seeds import draw_seeds, mean_and_spread, save_figure
from pipeline.reproduction.training_runs import Task, bundle_of, run_all, test_metrics

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
    bundle = bundle_of(configs[0], arguments.set)
    out = arguments.out / arguments.configs.name
    tasks = [
        Task(config, tuple(arguments.set), bundle, seed, out / config.stem / f"seed_{seed}")
        for seed in arguments.seeds
        for config in configs
    ]
    results: Results = {config.stem: [] for config in configs}
    for task, metrics in zip(tasks, run_all(tasks, arguments.jobs), strict=True):
        results[task.config.stem].append(test_metrics(metrics))
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
    files = [
        path
        for path in folder.glob("*.yaml")
        if path.name != "dataset.yaml" and (not only or path.stem in only)
    ]
    if not files or len(files) < len(only):
        sys.exit(f"{folder} holds no configuration of the name {' or '.join(only) or '*'}.")
    return sorted(
        files, key=lambda p: (order.index(p.stem) if p.stem in order else len(order), p.stem)
    )


def _table(results: Results, seeds: int) -> str:
    """Markdown: mean +- sample standard deviation over the seeds."""
    lines = [
        f"| {seeds} seeds, test | {' | '.join(METRICS.values())} |",
        f"|---|{'---|' * len(METRICS)}",
    ]
    for name, runs in results.items():
        cells = []
        for metric in METRICS:
            cells.append(mean_and_spread([run[metric] for run in runs]))
        lines.append(f"| {TITLES.get(name, name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _plot(results: Results, path: Path) -> None:
    """A dot for the test AUC of every seed, a bar at their mean."""
    rows = [
        (TITLES.get(name, name), [run["auc"] for run in runs]) for name, runs in results.items()
    ]
    label = "test AUC: a dot for each seed, a bar at the mean"
    save_figure(path, (8, 0.45 * len(rows) + 1.1), lambda axes: draw_seeds(axes, rows, label))


if __name__ == "__main__":
    main()
