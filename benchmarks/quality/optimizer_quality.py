"""Test AUC of table optimizers and of bfloat16, against dense float32 Adam, seed by seed.

    python -m benchmarks.quality.optimizer_quality --data-root DATA --figure FIGURE.svg

DATA holds the folders `movielens_1m` and `kuairand_pure`; the other sets need none. The same
network, MBCnet with small layers and without L2, trains with each arm and each seed from the same
initial weights and batches. A finished run is not repeated.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reproduction.seeds import draw_seeds, mean_and_spread, save_figure
from pipeline.reproduction.training_runs import Task, bundle_of, run_all, test_metrics

TOLERANCE = 0.001  # of test AUC, below dense float32 Adam
COMMON = ("model.embedding.l2=0", "train.precision=float32")
REFERENCE = "dense Adam"
ARMS: dict[str, tuple[str, ...]] = {
    REFERENCE: ("train.tables.optimizer=adam",),
    "lazy Adam": ("train.tables.optimizer=lazy_adam",),
    "lazy Adam, skipped steps corrected": (
        "train.tables.optimizer=lazy_adam",
        "train.tables.correct_skipped=true",
    ),
    "lazy Adam, bfloat16": ("train.tables.optimizer=lazy_adam", "train.precision=bfloat16"),
    # One accumulator a row of all its squared gradients: its steps shrink, so they start larger.
    "row-wise Adagrad": (
        "train.tables.optimizer=rowwise_adagrad",
        "train.tables.learning_rate=0.02",
    ),
}


@dataclass(frozen=True)
class DataSet:
    """What is trained on.

    Args:
        config: Folder under `configs`.
        folder: Folder of the files, under the data root; None where rows are generated.
        settings: `KEY=VALUE` texts.
    """

    config: str
    folder: str | None
    settings: tuple[str, ...]


DATA_SETS = {
    "movielens_100k": DataSet("movielens_100k", None, ("train.batch_size=4096", "train.epochs=12")),
    "movielens_1m": DataSet(
        "movielens_1m", "movielens_1m", ("train.batch_size=4096", "train.epochs=2")
    ),
    "kuairand_pure": DataSet(
        "kuairand_pure", "kuairand_pure", ("train.batch_size=2048", "train.epochs=2")
    ),
    # The fields that the label depends on, of 200,000 rows.
    "synthetic": DataSet(
        "synthetic_small",
        None,
        (
            "data.rows=200000",
            "train.batch_size=2048",
            "train.epochs=4",
            "train.learning_rate=0.003",
        ),
    ),
}
Results = dict[str, dict[str, list[dict[str, float]]]]  # data set -> arm -> metrics of each seed


def main() -> None:
    arguments = _parse_arguments()
    results: Results = {}
    for name in arguments.data:
        results[name] = _compare(name, arguments)
        print(table(name, results[name]), flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if arguments.figure:
        _plot(results, arguments.figure)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument(
        "--data-root",
        type=Path,
        default=os.environ.get("CONCORD_TEST_DATA"),
        help="folder of the data sets' folders (default: that of CONCORD_TEST_DATA)",
    )
    parser.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), help=f"beside {REFERENCE}"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 1 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/optimizer_quality"))
    parser.add_argument("--figure", type=Path, help="where to draw the differences of every seed")
    return parser.parse_args()


def _compare(name: str, arguments: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Trains every arm on a data set; test metrics of each seed."""
    data = DATA_SETS[name]
    config, settings = Path("configs") / data.config / "mbcnet.yaml", list(data.settings)
    if data.folder is not None:
        if arguments.data_root is None:
            sys.exit(f"{name} is read from files. Give the folder of its folder: --data-root DATA")
        folder = Path(arguments.data_root) / data.folder
        settings.append(f"data.path={folder}")
        if name == "movielens_1m" and not list(folder.glob("ratings.dat*")):
            config = Path("configs/movielens_1m_pairs/mbcnet.yaml")  # the variant without times
    settings = [*settings, *COMMON, *arguments.set]
    bundle = bundle_of(config, [*settings, *ARMS[REFERENCE]])
    arms = [arm for arm in ARMS if arm == REFERENCE or arm in arguments.arms]
    tasks = [
        Task(
            config,
            (*settings, *ARMS[arm]),
            bundle,
            seed,
            arguments.out / name / _file_name(arm) / f"seed_{seed}",
        )
        for seed in range(1, arguments.seeds + 1)
        for arm in arms
    ]
    results = [
        {**test_metrics(metrics), "seconds": metrics["training"]["seconds"]}
        for metrics in run_all(tasks, arguments.jobs)
    ]
    return {arm: results[place :: len(arms)] for place, arm in enumerate(arms)}


def differences(arms: dict[str, list[dict[str, float]]], arm: str) -> list[float]:
    """Test AUC of an arm minus that of dense Adam, for each seed."""
    pairs = zip(arms[arm], arms[REFERENCE], strict=True)
    return [each["auc"] - reference["auc"] for each, reference in pairs]


def table(name: str, arms: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: mean and sample standard deviation over the seeds, differences paired by seed."""
    seeds = len(arms[REFERENCE])
    lines = [
        f"| {name}, {seeds} seeds | test AUC | to dense Adam, by seed | mean "
        f"| at most {TOLERANCE} lower |",
        "|---|---|---|---|---|",
    ]
    for arm, runs in arms.items():
        cells = [arm, mean_and_spread([run["auc"] for run in runs])]
        if arm == REFERENCE:
            cells += ["", "", ""]
        else:
            apart = differences(arms, arm)
            holds = "yes" if statistics.mean(apart) >= -TOLERANCE else "no"
            cells += [", ".join(f"{each:+.4f}" for each in apart)]
            cells += [mean_and_spread(apart, "{:+.4f}"), holds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _file_name(arm: str) -> str:
    return arm.lower().replace(",", "").replace(" ", "_")


def _plot(results: Results, path: Path) -> None:
    rows: Sequence[tuple[str, list[float]]] = [
        (f"{name}: {arm}", differences(arms, arm))
        for name, arms in results.items()
        for arm in arms
        if arm != REFERENCE
    ]

    def draw(axes: Any) -> None:
        draw_seeds(axes, rows, "test AUC minus that of dense float32 Adam, each seed and mean")
        axes.axvline(0.0, color="#111", linewidth=0.8)
        axes.axvline(-TOLERANCE, color="#b33", linewidth=0.8, linestyle="--")

    save_figure(path, (8, 0.35 * len(rows) + 1.1), draw)


if __name__ == "__main__":
    main()
