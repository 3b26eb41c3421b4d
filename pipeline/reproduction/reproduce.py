"""The job behind the verb `reproduce`: runs what a table lacks, and writes what came out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.bundle import Bundle
from pipeline.config.shipped_files import config_file
from pipeline.evaluation.kept_scores import load_scores
from pipeline.evaluation.print_tables import print_table
from pipeline.reproduction.plan import Choices, PlannedRow, planned_rows, shown_rows
from pipeline.reproduction.render import draw, markdown, result_tables
from pipeline.reproduction.results import RowRuns, table_results
from pipeline.reproduction.table import PaperTable
from pipeline.reproduction.training_runs import Task, run_all
from pipeline.runs.run_dir import RunDir
from pipeline.stages.built_bundles import BuiltBundles
from pipeline.system.console import console, say
from pipeline.system.files import write_json, write_text
from pipeline.training.step_curves import read_curves

# What a table does not show, and what takes seconds of each run; a user's settings come later.
_PLAIN_RUN = ("train.baseline=false", "evaluate.report.sample_rows=0")


def reproduce(
    table: PaperTable, choices: Choices, out: Path, jobs: int, command: str
) -> dict[str, Any]:
    """Trains what a table lacks, and writes table.json, table.md and figure.svg.

    Runs that are finished stay as they are, and one that was interrupted goes on: the same command
    again ends what another began.

    Args:
        table: What is repeated.
        choices: On which data, and how.
        out: Folder of runs and results.
        jobs: Trainings at a time.
        command: What the page says makes it again.

    Returns:
        What table.json holds.

    Raises:
        ConfigError: A row or a setting is not there.
        UserError: A training failed.
    """
    planned = planned_rows(table, choices)
    built = BuiltBundles()
    bundles = {row.name: built.of(row.loaded()) for row in planned}
    folders = _train(planned, bundles, choices.seeds, out, jobs)
    shown = shown_rows(table, choices)
    runs = {
        name: _row_runs(row, [folders[row.of or name, seed] for seed in choices.seeds])
        for name, row in shown.items()
    }
    first = bundles[planned[0].name]
    weight_by = planned[0].loaded().evaluate.gauc_weight_by
    report = {
        "title": table.title,
        "paper": table.paper,
        "data": first.metadata.source,
        "data_set": table.data_set_of(config_file(choices.config).resolve().parent.name),
        "protocol": first.metadata.split_rule.get("validation", "clean"),
        "sizes": choices.sizes,
        "seeds": list(choices.seeds),
        "settings": list(choices.settings),
        "baseline": table.baseline,
        **table_results(runs, table.metrics, table.baseline, weight_by),
    }
    for each in result_tables(table, report):
        print_table(each.caption, each, console)
    curves = {
        name: [read_curves(folders[row.of or name, seed].curves_file) for seed in choices.seeds]
        for name, row in shown.items()
        if row.branch is None
    }
    draw(table, report, curves, out / "figure.svg")
    write_json(str(out / "table.json"), report)
    write_text(str(out / "table.md"), markdown(table, report, command))
    return report


def _train(
    planned: Sequence[PlannedRow],
    bundles: Mapping[str, Bundle],
    seeds: Sequence[int],
    out: Path,
    jobs: int,
) -> dict[tuple[str, int], RunDir]:
    """Trains the rows that nobody teaches, then those that are taught; where each run lies."""
    runs = {(row.name, seed): RunDir(row.folder(out, seed)) for row in planned for seed in seeds}
    for taught in (False, True):
        tasks = []
        for seed in seeds:
            for row in planned:
                if bool(row.teachers) != taught:
                    continue
                teachers = [str(runs[name, seed].path) for name in row.teachers]
                taught_by = [f"train.teachers={teachers}"] if taught else []
                settings = [*_PLAIN_RUN, *row.settings, *taught_by]
                bundle = bundles[row.name].path
                folder = runs[row.name, seed].path
                tasks.append(Task(row.config, tuple(settings), bundle, seed, folder))
        if tasks:
            say("runs", f"{len(tasks)}{' taught by others' if taught else ''}, {jobs} at a time")
            run_all(tasks, jobs)
    return runs


def _row_runs(row: Any, runs: Sequence[RunDir]) -> RowRuns:
    metrics = [run.metrics() for run in runs]
    return RowRuns(row, metrics, [load_scores(run.scores_file, "test") for run in runs])
