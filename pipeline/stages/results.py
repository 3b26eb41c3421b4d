"""What the main job prints of its results. No TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

from features.bundle import Bundle
from pipeline.runs.run_dir import RunDir
from pipeline.system.console import say
from pipeline.system.program import command, python
from serving.export_format.export_layout import SAMPLE_ROWS


def say_changes(changes: Sequence[str]) -> None:
    """Prints what followed from the data, see `pipeline.stages.fitted_config`."""
    for number, change in enumerate(changes):
        say("" if number else "fit", change)


def say_reused(run: RunDir) -> None:
    """Prints that a run is trained."""
    say("train", f"{run.path} is trained with this configuration and data: reused")


def say_scoring(version: Path) -> None:
    """Prints the command that scores the sample rows of an export."""
    say("predict", f"{command()} predict {version} --input {version / SAMPLE_ROWS}")


def say_scored(lines: Sequence[str]) -> None:
    """Prints scored rows."""
    for line in lines:
        say("", line)


def say_places(bundle: Bundle, run: RunDir, version: Path) -> None:
    """Prints where a run, its bundle and its export lie."""
    for stage, path in (
        ("bundle", bundle.path),
        ("run", run.path),
        ("report", run.report_file),
        ("logs", f"{python()} -m tensorboard.main --logdir {run.tensorboard}"),
        ("export", version),
    ):
        say(stage, str(path))
