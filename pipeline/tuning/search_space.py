"""What may vary: settings of a configuration, each with choices or a range."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import model_validator

from features.config import StrictModel, parse
from features.errors import ConfigError
from pipeline.config.bounded_yaml import parse_yaml, read_yaml

if TYPE_CHECKING:  # an extra
    from optuna.distributions import BaseDistribution

_FIXED = ("data.split", "train.monitor", "train.seed", "evaluate", "export")


class Range(StrictModel):
    """Numbers from `low` to `high`, both included.

    Args:
        low: Least number.
        high: Largest number. Where both are whole numbers, so is what is chosen.
        step: Distance of neighbours, for numbers that are not on a logarithmic scale.
        log: Whether factors count alike, not differences, as for a learning rate.
    """

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be below high. Received: {self.low} and {self.high}.")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("on a logarithmic scale numbers are above 0 and have no step.")
        return self

    def distribution(self) -> "BaseDistribution":
        """What Optuna draws from."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)


class SearchSpace:
    """Settings that vary.

    Args:
        settings: Place of a setting, such as `train.learning_rate`, -> a list of choices, whatever
            YAML can say, or a mapping as `Range` takes it.
        where: File or option that said so, for errors.

    Raises:
        ConfigError: Nothing varies, or a setting has neither choices nor a range, or is one that
            trials must have in common.
    """

    def __init__(self, settings: Mapping[str, Any], where: str) -> None:
        if not settings:
            raise ConfigError(f"{where}: no setting varies. Add one, such as model.embedding.l2.")
        self._choices: dict[str, dict[str, Any]] = {}
        self._ranges: dict[str, Range] = {}
        for key, said in settings.items():
            if key.startswith(_FIXED):
                raise ConfigError(
                    f"{where}: {key} cannot vary: trials are compared by it. Set it for all of "
                    "them with --set."
                )
            if isinstance(said, Mapping):
                self._ranges[key] = parse(Range, said, f"{where}: {key}")
            elif isinstance(said, list) and len(said) > 1:
                self._choices[key] = {json.dumps(choice): choice for choice in said}
            else:
                raise ConfigError(
                    f"{where}: {key} needs a list of two or more choices, or a range such as "
                    f"{{low: 0.0001, high: 0.01, log: true}}. Received: {said!r}."
                )

    @classmethod
    def read(cls, path: Path | None, searched: Sequence[str]) -> "SearchSpace":
        """The space of a YAML file and of `KEY=SPEC` texts, which are laid over it.

        Raises:
            ConfigError: The file cannot be read, or a text is none.
        """
        settings: dict[str, Any] = {}
        if path is not None:
            try:
                content = read_yaml(path)
            except OSError as error:
                raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
            if not isinstance(content, Mapping):
                raise ConfigError(f"{path} must hold a mapping of settings to what they may be.")
            settings |= content
        for text in searched:
            key, equals, said = text.partition("=")
            try:
                settings[key] = parse_yaml(said)
            except (yaml.YAMLError, ValueError):
                equals = ""
            if not equals:
                raise ConfigError(
                    f"--search {text!r} is no KEY=CHOICES, such as "
                    '"train.learning_rate={low: 0.0001, high: 0.01, log: true}".'
                )
        return cls(settings, str(path) if path is not None else "--search")

    @property
    def names(self) -> list[str]:
        """Places of the settings that vary."""
        return [*self._choices, *self._ranges]

    def distributions(self) -> dict[str, "BaseDistribution"]:
        """What Optuna draws from, by setting; a choice is its JSON there."""
        from optuna.distributions import CategoricalDistribution

        return {
            **{key: CategoricalDistribution([*each]) for key, each in self._choices.items()},
            **{key: each.distribution() for key, each in self._ranges.items()},
        }

    def overrides(self, drawn: Mapping[str, Any]) -> list[str]:
        """`KEY=VALUE` texts of what was drawn, as `--set` takes them."""
        return [
            f"{key}={value if key in self._choices else json.dumps(value)}"
            for key, value in drawn.items()
        ]
