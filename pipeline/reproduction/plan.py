"""Which runs a table needs on a data set, in which order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from features.errors import ConfigError
from pipeline.config.config_files import load_config
from pipeline.config.run_config import RunConfig
from pipeline.config.shipped_files import config_file
from pipeline.reproduction.table import PaperTable, TableRow

SizesName = Literal["fit", "preset", "small"]


@dataclass(frozen=True)
class Choices:
    """What whoever repeats a table decides.

    Args:
        config: Configuration of the data set, as `load_config` takes it.
        sizes: Layer sizes: those that fit the data, of the preset, or of the configuration.
        seeds: A run each of every row.
        settings: `KEY=VALUE` texts laid over every row, such as `data.path=FOLDER`.
        only: Names of the rows that are wanted, beside the baseline; all where it is empty.
    """

    config: str
    sizes: SizesName
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedRow:
    """A row that has runs of its own.

    Args:
        name: Name of the row.
        config: Configuration file of its runs.
        settings: `KEY=VALUE` texts laid over it, without those of the seed and of teachers.
        teachers: Rows whose networks teach it.
    """

    name: str
    config: Path
    settings: tuple[str, ...]
    teachers: tuple[str, ...]

    def loaded(self) -> RunConfig:
        """Its configuration, in which the names of rows stand for their runs as teachers."""
        taught = [f"train.teachers={[*self.teachers]}"] if self.teachers else []
        return load_config(self.config, [*self.settings, *taught], check=False)

    def folder(self, out: Path, seed: int) -> Path:
        """Folder of its run of a seed, below the table's."""
        kept = (letter if letter.isalnum() or letter in "-+.=" else "_" for letter in self.name)
        return out / "".join(kept) / f"seed_{seed}"


def planned_rows(table: PaperTable, choices: Choices) -> list[PlannedRow]:
    """The rows that are trained, teachers before those that they teach.

    Every configuration is read, so that a mistake is said before anything takes its time.

    Args:
        table: What is repeated.
        choices: On which data, and how.

    Raises:
        ConfigError: A row that is asked for is not there, teachers teach each other, two rows
            would have one folder, or a row's configuration has a mistake.
    """
    unknown = [name for name in choices.only if name not in table.rows]
    if unknown:
        raise ConfigError(
            f"--only {unknown[0]!r} is no row of the table. Its rows: {', '.join(table.rows)}."
        )
    wanted = [table.baseline, *choices.only] if choices.only else [*table.rows]
    ordered = list(dict.fromkeys(_with_teachers(table, wanted, ())))
    rows = [_planned(name, table.rows[name], choices) for name in ordered]
    folders: dict[Path, str] = {}
    for row in rows:
        other = folders.setdefault(row.folder(Path(), 1), row.name)
        if other != row.name:
            raise ConfigError(
                f"the rows {other!r} and {row.name!r} would have one folder for their runs. Name "
                "one otherwise: by other letters or digits."
            )
        row.loaded()
    return rows


def shown_rows(table: PaperTable, choices: Choices) -> dict[str, TableRow]:
    """The rows that the result has, in the order of the table."""
    kept = {table.baseline, *choices.only}
    return {name: row for name, row in table.rows.items() if not choices.only or name in kept}


def _with_teachers(
    table: PaperTable, names: Sequence[str], taught: tuple[str, ...]
) -> Iterator[str]:
    for name in names:
        row = table.rows[name]
        if name in taught:
            raise ConfigError(f"rows.{name}.teachers: it teaches itself, by way of {taught[-1]}.")
        if row.of is not None:
            yield from _with_teachers(table, [row.of], taught)
            continue
        yield from _with_teachers(table, row.teachers, (*taught, name))
        yield name


def _planned(name: str, row: TableRow, choices: Choices) -> PlannedRow:
    file = config_file(choices.config)
    network = {"preset": row.preset, "sizes": choices.sizes}
    settings = [f"model={json.dumps(network)}"]
    own = file.with_name(f"{row.file}.yaml")
    if choices.sizes == "preset" and row.file is not None and own.exists():
        file, settings = own, []  # this file has the network in the sizes of the data set
    return PlannedRow(name, file, (*settings, *row.settings, *choices.settings), row.teachers)
