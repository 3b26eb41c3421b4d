"""A table of a paper as data: its rows, what is measured of them, and what was published."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from features.config import StrictModel, parse
from features.errors import ConfigError, did_you_mean
from pipeline.config.bounded_yaml import read_yaml
from pipeline.config.shipped_files import TABLES, preset_names
from pipeline.reproduction.table_metrics import TABLE_METRICS


def _known(name: str) -> str:
    if name not in TABLE_METRICS:
        raise ValueError(
            f"{name!r} is no measure of a table. Expected: {', '.join(TABLE_METRICS)}."
        )
    return name


MetricName = Annotated[str, AfterValidator(_known)]
Published = dict[str, dict[MetricName, float]]


class TableRow(StrictModel):
    """A row: a network, or a branch of one.

    Args:
        preset: Its network, as `models` lists it.
        of: A row whose runs this one looks at, in place of runs of its own.
        branch: The branch that is measured; None for the fused prediction.
        file: Name of a configuration in the data set's folder that holds where preset sizes are
            asked for: the sizes that were published for this data set.
        settings: `KEY=VALUE` texts laid over the preset.
        teachers: Rows whose networks of the same seed are its teachers, trained before it.
        published: Data set -> metric -> value in the paper.
    """

    preset: str | None = None
    of: str | None = None
    branch: str | None = None
    file: str | None = None
    settings: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    published: Published = {}

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "TableRow":
        if (self.preset is None) == (self.of is None):
            raise ValueError("a row has either `preset` or `of`. Received: both, or neither.")
        return self


class PaperTable(StrictModel):
    """A table, or what a figure shows.

    Args:
        title: What it is about.
        paper: Where it stands.
        metrics: What is measured; the first one is drawn.
        baseline: Row that differences are taken to.
        data_sets: Name of a data set in the paper -> folder of its configuration here, None where
            the data are private.
        config: Configuration that is trained on unless another one is named.
        figure: `seeds` draws a dot for each seed of a row; `scatter` the first two metrics;
            `curves` the normalized entropy by the number of examples.
        rows: By name, in their order.
        notes: Sentences on what is a reading of ours, or was not printed.
    """

    title: str
    paper: str
    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1)]
    baseline: str
    data_sets: dict[str, str | None]
    config: str
    figure: Literal["seeds", "scatter", "curves"] = "seeds"
    rows: Annotated[dict[str, TableRow], Field(min_length=1)]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_are_known(self) -> "PaperTable":
        named, presets = {self.baseline: "baseline"}, set(preset_names())
        for name, row in self.rows.items():
            named |= dict.fromkeys(row.teachers, f"rows.{name}.teachers")
            if row.of is not None:
                named[row.of] = f"rows.{name}.of"
            if row.preset is not None and row.preset not in presets:
                raise ValueError(f"rows.{name}.preset: {row.preset!r} is not a preset.")
            unknown = row.published.keys() - self.data_sets.keys()
            if unknown:
                raise ValueError(f"rows.{name}.published: {min(unknown)!r} is no data set.")
        for other, where in named.items():
            if other not in self.rows:
                raise ValueError(f"{where} names the row {other!r}, which there is not.")
            if where.endswith(".of") and self.rows[other].of is not None:
                raise ValueError(f"{where} names the row {other!r}, which has no runs of its own.")
        return self

    def data_set_of(self, folder: str) -> str | None:
        """Name of the paper's data set whose configuration lies in a folder, if one does."""
        return next((name for name, own in self.data_sets.items() if own == folder), None)


def table_names() -> list[str]:
    """Names of all tables.

    Example:
        >>> "mbcnet_table_6" in table_names()
        True
    """
    return sorted(path.stem for path in TABLES.glob("*.yaml"))


def load_table(name: str) -> PaperTable:
    """A table by its name, or by the path of a YAML file of the user's own.

    Raises:
        ConfigError: There is no such table, or its file has a mistake.
    """
    path = TABLES / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    if not path.is_file():
        hint = did_you_mean(name, table_names())
        raise ConfigError(f"{name!r} is no table. {hint} List them: python -m pipeline reproduce")
    return parse(PaperTable, read_yaml(path), str(path))
