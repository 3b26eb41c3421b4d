"""The verb `reproduce`: a table of a paper, trained again."""

import os
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from features.errors import ConfigError
from pipeline.system.lock import only_job_at
from pipeline.system.program import program
from pipeline.system.quiet import import_tensorflow


def reproduce(
    table: Annotated[
        str | None,
        typer.Argument(metavar="[TABLE]", help="Name of a table, or a YAML file; none lists them."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Short for --set data.path=PATH.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Data set to train on (default: that of the table)."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each row: 1, 2, ...")] = 5,
    sizes: Annotated[
        Literal["fit", "preset", "small"] | None,
        typer.Option(
            "--sizes",
            help="Layer sizes: those that fit the data, of the preset, or of the configuration "
            "(default: preset on the paper's data, else fit).",
        ),
    ] = None,
    protocol: Annotated[
        Literal["clean", "bars"] | None,
        typer.Option("--protocol", help="bars: validation rows are the test rows, as published."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ROW", help="This row, beside the baseline; repeatable."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="For every row; may be repeated."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Trainings at a time (default: half the cores).")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder (default: runs/reproduce/TABLE/DATA-SIZES)."),
    ] = None,
) -> None:
    """Repeats a table of a paper: every row, every seed, and how far rows lie from the baseline.

    What is finished is kept when the command is ended, and it goes on from there.
    """
    from pipeline.reproduction.table import load_table, table_names
    from pipeline.system.console import console, say

    if table is None:
        names = table_names()
        width = 2 + max(map(len, names))
        for name in names:
            console.print(f"{name:<{width}}{load_table(name).title}", markup=False)
        console.print(f"\nRepeat one: {program()} reproduce NAME --data PATH", highlight=False)
        return
    loaded = load_table(table)
    from pipeline.config.shipped_files import config_file
    from pipeline.reproduction.plan import Choices

    named = config or loaded.config
    file = config_file(named)
    folder = file.resolve().parent.name
    sizes = sizes or ("fit" if loaded.data_set_of(folder) is None else "preset")
    laid_over = list(settings or ())
    if data is not None:
        laid_over.append(f"data.path={data}")
    if protocol is not None:
        rule = {"clean": "clean", "bars": "published"}[protocol]
        laid_over.append(f"data.split.validation={rule}")
    if loaded.baseline in (only or ()):
        raise ConfigError(f"--only {loaded.baseline!r} is the baseline, which is always there.")
    choices = Choices(named, sizes, tuple(range(1, seeds + 1)), tuple(laid_over), tuple(only or ()))
    data_set = folder if file.stem == "dataset" else f"{folder}-{file.stem}"
    place = out or Path("runs/reproduce") / Path(table).stem / f"{data_set}-{sizes}"
    import_tensorflow()
    from pipeline.reproduction.reproduce import reproduce as repeat

    words = [*program().split(), "reproduce", table, "--config", named, "--sizes", sizes]
    words += ["--seeds", str(seeds)]
    for name in only or ():
        words += ["--only", name]
    for setting in laid_over:
        words += ["--set", "data.path=FOLDER" if setting.startswith("data.path=") else setting]
    with only_job_at(str(place)):
        repeat(loaded, choices, place, jobs or max(1, _cores() // 2), shlex.join(words))
    say("table", str(place / "table.md"))


def _cores() -> int:
    return len(os.sched_getaffinity(0))
