"""The verb `tune`: settings searched by validation rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.system.lock import only_job_at
from pipeline.system.quiet import import_tensorflow

if TYPE_CHECKING:  # what it imports takes a second
    from pipeline.config.run_config import RunConfig


def tune(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="YAML file of the run, or a name such as movielens_100k/mbcnet."
        ),
    ],
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML file: settings, and what they may be.")
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            metavar="KEY=CHOICES",
            help="A setting: a list, or {low: ..., high: ..., log: true}; may be repeated.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trainings, in the end.")] = 30,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the choices.")] = 1,
    preset: Annotated[
        str | None, typer.Option("--preset", help="The network: a name that `models` lists.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="For all trials; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder (default: runs/FOLDER/tune-CONFIG).")
    ] = None,
) -> None:
    """Searches settings by train.monitor on validation rows; looks at test rows once, at the end.

    The same command again goes on where it was ended; with more --trials it searches on.
    """
    from pipeline.tuning.search_space import SearchSpace

    searched = SearchSpace.read(space, search or ())
    import_tensorflow()
    from pipeline.config.config_files import load_config
    from pipeline.config.shipped_files import config_file
    from pipeline.evaluation.print_tables import print_table
    from pipeline.evaluation.text_tables import TextTable
    from pipeline.system.console import console, say
    from pipeline.tuning.tune import Study, check_installed
    from pipeline.tuning.tune import tune as search_settings

    check_installed()
    common = [*([] if preset is None else [f"model.preset={preset}"]), *(settings or ())]

    def load(drawn: Sequence[str]) -> "RunConfig":
        return load_config(config, [*common, *drawn])

    file = config_file(config)
    name = f"tune-{file.stem}" + ("" if preset is None else f"-{preset.replace('/', '-')}")
    folder = out or Path("runs") / file.resolve().parent.name / name
    with only_job_at(str(folder)):
        report = search_settings(Study(load, searched, folder, trials, seed))
    best = sorted(
        (each for each in report["trials"] if each["state"] == "complete"),
        key=lambda each: -each["value"],
    )[:5]
    table = TextTable(
        "the best trials on validation rows",
        ("trial", "value", "settings"),
        [(str(t["number"]), f"{t['value']:.4f}", " ".join(t["settings"])) for t in best],
    )
    print_table(table.caption, table, console)
    test = report["test"]["fused"]
    say("test", ", ".join(f"{key} {value:.4f}" for key, value in test.items() if value is not None))
    say("best", str(folder / "best.yaml"))
