"""What logs give with nothing edited: `inspect`, then `train --preset`, beside plain models.

    python -m benchmarks.quality.by_default clicks.csv --rows 2000 10000

Of each file the first rows are cut, proposed for, built and trained on. Logistic regression is the
one that every evaluation fits beside; LightGBM and CatBoost, where they are installed, are those of
`concord compare`.
"""

import argparse
import gzip
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from features.bundle import Bundle
from pipeline.comparison.tree_models import PACKAGES, fit_trees, missing
from pipeline.config.config_files import load_config
from pipeline.data.job.data_job import build_bundle
from pipeline.evaluation.scores import FUSED, Scores
from pipeline.evaluation.split_rows import split_rows
from pipeline.inspection.proposal import propose
from pipeline.inspection.read_sample import read_sample
from pipeline.inspection.yaml_text import to_yaml
from pipeline.reproduction.seeds import mean_and_spread
from pipeline.reproduction.training_runs import Task, run_all, test_metrics


def main() -> None:
    arguments = _parse_arguments()
    print(
        "| log | training rows | model | AUC | logloss | calibration |\n|---|---|---|---|---|---|"
    )
    for file in arguments.files:
        for rows in arguments.rows or [None]:
            for line in _lines(arguments, file, rows):
                print(line, flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="delimited text, perhaps gzipped")
    parser.add_argument("--rows", type=int, nargs="+", help="sizes of the cuts; default: all rows")
    parser.add_argument("--presets", nargs="+", default=["dcnv2", "mbcnet"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of networks")
    parser.add_argument("--out", type=Path, default=Path("runs/by_default"))
    return parser.parse_args()


def _lines(arguments: argparse.Namespace, file: Path, rows: int | None) -> list[str]:
    folder = arguments.out / f"{file.name.split('.')[0]}_{rows or 'all'}"
    config = _proposal(file, rows, folder)
    loaded = load_config(config)
    bundle = build_bundle(loaded.feature_set, loaded.data, str(folder / "bundle"))
    tasks = [
        Task(
            config,
            (f"model.preset={preset}", *arguments.set),
            bundle.path,
            seed,
            folder / f"{preset}_{seed}",
        )
        for preset in arguments.presets
        for seed in arguments.seeds
    ]
    metrics = run_all(tasks, arguments.jobs)
    results: dict[str, list[dict[str, Any]]] = {}
    for task, each in zip(tasks, metrics, strict=True):
        preset = task.settings[0].removeprefix("model.preset=")
        results.setdefault(preset, []).append(test_metrics(each))
    if metrics[0].get("baseline"):
        results["logistic regression"] = [metrics[0]["baseline"]["test"]]
    for model in PACKAGES:
        if missing(model) is None:
            results[model] = [_trees(model, bundle)]
    count = f"{bundle.metadata.rows['train']:,}"
    names = ("auc", "logloss", "calibration")
    return [
        f"| {file.name.split('.')[0]} | {count} | {model} | "
        + " | ".join(_cell([each.get(name) for each in runs]) for name in names)
        + " |"
        for model, runs in results.items()
    ]


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return mean_and_spread(known) if len(known) > 1 else f"{known[0]:.4f}"


def _proposal(file: Path, rows: int | None, folder: Path) -> Path:
    """The configuration that `inspect` proposes for the first rows of a file."""
    config = folder / "proposed.yaml"
    if config.exists():
        return config
    folder.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if file.suffix == ".gz" else open
    cut = folder / file.name.removesuffix(".gz")
    with opened(file, "rt", encoding="utf-8") as source, open(cut, "w", encoding="utf-8") as target:
        # A header, where there is one, is a line more: one row less does no harm.
        target.writelines(source if rows is None else islice(source, rows))
    config.write_text(to_yaml(propose(read_sample(str(cut.resolve()), 200_000))), "utf-8")
    return config


def _trees(model: str, bundle: Bundle) -> dict[str, float | None]:
    """Metrics of boosted trees with their own settings on a bundle's test rows."""
    specs = bundle.metadata.model_inputs()
    train, valid, test = (split_rows(bundle, split) for split in ("train", "valid", "test"))
    probs = fit_trees(model, specs, train, valid, seconds=600.0).predict(test.inputs)
    return Scores(test.labels, {FUSED: probs}, groups=None).metrics("impressions")[FUSED]


if __name__ == "__main__":
    main()
