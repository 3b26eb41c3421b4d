"""Trains configurations and compares their test metrics with what they reached before.

    python -m benchmarks.quality.thresholds            # also: make quality

`thresholds.yaml` has, by configuration, the mean of so many seeds and how far from it is still
right, in either direction: what became much better is not what it was either. Runs that are
finished are not trained again, so give another --out, or remove it, to measure the code of today.
`--measure` writes the means that are found into the file.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.deviations import Deviation, deviations
from pipeline.config.config_files import load_config
from pipeline.config.shipped_files import config_file
from pipeline.data.job.data_job import build_bundle
from pipeline.reproduction.training_runs import Task, run_all, test_metrics

FILE = Path(__file__).with_name("thresholds.yaml")
DATA = Path(os.environ.get("CONCORD_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def main() -> None:
    arguments = _parse_arguments()
    wanted = yaml.safe_load(FILE.read_text("utf-8"))
    unknown = set(arguments.only) - set(wanted)
    if unknown:
        sys.exit(f"{FILE.name} has no configuration {min(unknown)}. It has {', '.join(wanted)}.")
    failed: list[Deviation] = []
    for name in arguments.only or wanted:
        measured = _measured(name, wanted[name], arguments)
        if measured is None:
            continue
        for metric, values in measured.items():
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            print(f"{name}: {metric} {statistics.mean(values):.4f} ± {spread:.4f}", flush=True)
        if arguments.measure:
            for metric, expected in wanted[name]["metrics"].items():
                expected["mean"] = round(statistics.mean(measured[metric]), 4)
        else:
            failed += deviations(name, wanted[name]["metrics"], measured)
    if arguments.measure:
        head = "".join(line for line in FILE.open() if line.startswith("#"))
        FILE.write_text(head + yaml.safe_dump(wanted, sort_keys=False, default_flow_style=None))
    for deviation in failed:
        print(f"error: {deviation}", file=sys.stderr)
    sys.exit(1 if failed else 0)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="configurations")
    parser.add_argument("--measure", action="store_true", help="write the means into the file")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    return parser.parse_args()


def _measured(
    name: str, expected: dict[str, Any], arguments: argparse.Namespace
) -> dict[str, list[float]] | None:
    """Metric -> a value for each seed; None where the data are not here, which is said."""
    settings: tuple[str, ...] = ()
    if "data" in expected:
        folder = DATA / expected["data"]
        if not folder.is_dir():
            print(f"{name}: left out, {folder} is not here: set CONCORD_TEST_DATA")
            return None
        settings = (f"data.path={folder}",)
    file = config_file(name)
    config = load_config(file, settings)
    out: Path = arguments.out / name
    bundle = build_bundle(config.feature_set, config.data, str(out / "bundle")).path
    tasks = [
        Task(file, settings, bundle, seed, out / f"seed_{seed}")
        for seed in range(1, expected["seeds"] + 1)
    ]
    found = [test_metrics(metrics) for metrics in run_all(tasks, arguments.jobs)]
    return {metric: [each[metric] for each in found] for metric in expected["metrics"]}


if __name__ == "__main__":
    main()
