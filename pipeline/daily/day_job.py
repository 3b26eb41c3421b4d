"""A day to be done: its configuration, its folder, and the day whose model is in service."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import ConfigError
from pipeline.config.config_files import load_layers
from pipeline.config.layers import read_layers
from pipeline.config.run_config import RunConfig
from pipeline.daily.service import read_service
from pipeline.daily.state_folder import DayFolder, StateFolder, check_day

DAY = "{day}"


@dataclass(frozen=True)
class DayJob:
    """A day to be done.

    Args:
        state: Folder of the daily job.
        folder: Folder of the day.
        config: Configuration, `{day}` replaced and the vocabularies those of the base extended.
        base: The day whose model is in service: ids and weights go on from it. None on the first.
    """

    state: StateFolder
    folder: DayFolder
    config: RunConfig
    base: DayFolder | None

    @property
    def day(self) -> str:
        return self.folder.day


def day_job(path: Path, settings: Sequence[str], state: StateFolder, day: str) -> DayJob:
    """Reads the configuration of a day.

    Args:
        path: Configuration file; strings of its section `data` name the day as `{day}`.
        settings: Such as `train.epochs=1`, laid over the file.
        state: Folder of the daily job.
        day: Such as 2026-11-28.

    Raises:
        ConfigError: A mistake in a setting, no `{day}`, a day that does not come next, or a day in
            service whose bundle or run is gone.
    """
    check_day(day)
    state.check_order(day)
    version = read_service(state).before(day)
    base = None if version is None else state.day(version.day)
    if base is not None and not (base.bundle.is_dir() and base.run.path.is_dir()):
        raise ConfigError(
            f"{base.path} lacks its bundle or its run, and the model in service is of that day. "
            "Copy them back: the next day's ids and weights go on from them."
        )
    of_day = day_settings(read_layers(path, settings).merged.get("data"), day, str(path))
    if base is None:
        of_day.append("train.progressive_validation=false")  # there is no model to validate yet
    else:
        origin = {"from": str(base.bundle.resolve()), "mode": "extended"}
        of_day.append(f"data.vocabularies={json.dumps(origin)}")
    config = load_layers(read_layers(path, [*settings, *of_day]))
    _check_inputs(config)
    return DayJob(state, state.day(day), config, base)


def day_settings(data: object, day: str, where: str) -> list[str]:
    """Settings that put a day in place of `{day}` in the section `data`.

    Args:
        data: The section, as the file has it.
        day: The day.
        where: What to call the file in errors.

    Raises:
        ConfigError: No setting names the day.
    """
    content = data if isinstance(data, dict) else {}
    settings = [
        f"data.{name}={json.dumps(_replaced(value, lambda text: text.replace(DAY, day)))}"
        for name, value in content.items()
        if DAY in json.dumps(value, default=str)
    ]
    if not settings:
        raise ConfigError(
            f"{where}: no setting of `data` names the day. Write {DAY} where the day stands, such "
            f"as data.path: logs/{DAY}.csv"
        )
    return settings


def _replaced(value: object, replace: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, dict):
        return {name: _replaced(each, replace) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, replace) for each in value]
    return value


def _check_inputs(config: RunConfig) -> None:
    """Features that `daily` names must be inputs with tokens, or at least inputs."""
    inputs = {spec.name: spec for spec in config.feature_set.inputs}
    for setting, names in (
        ("daily.check.distances", config.daily.check.distances),
        ("daily.bless.slices", config.daily.bless.slices),
    ):
        for name in names:
            if name not in inputs:
                raise ConfigError(
                    f"{setting} names {name!r}, which is no input. Inputs: {', '.join(inputs)}."
                )
    for name in config.daily.bless.slices:
        if not (inputs[name].has_vocabulary and inputs[name].kind == "categorical"):
            raise ConfigError(
                f"daily.bless.slices names {name!r}, which is no categorical feature with tokens. "
                "Leave it out."
            )
