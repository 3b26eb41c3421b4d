"""A run's configuration: YAML files that build on each other, and the command line's settings."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml

from features.config import StrictModel, parse
from features.errors import ConfigError
from features.specs import FeatureSet, Groups, HistorySpec, NamedFeatures
from models.config import NetworkConfig
from pipeline.data.config import DataConfig


class TrainConfig(StrictModel):
    """The `train:` section.

    Args:
        batch_size: Examples of a step, over all replicas together.
        eval_batch_size: Examples scored at a time, over all replicas together.
        epochs: Most passes over the training rows.
        patience: Passes without a better validation AUC before training stops.
        learning_rate: Of Adam.
        clip_norm: Gradients are scaled down to this global norm; null leaves them alone.
        precision: `bfloat16` computes matrix products in bfloat16; weights stay float32.
        shuffle_rows: Rows that are permuted together; record files and records are shuffled too.
        seed: Two runs of one seed are equal on a CPU.
        deterministic: Restricts TensorFlow to operations that give equal results every time.
        log_seconds: Seconds between two lines of progress.
    """

    batch_size: int = pydantic.Field(4096, ge=1)
    eval_batch_size: int = pydantic.Field(8192, ge=1)
    epochs: int = pydantic.Field(20, ge=1)
    patience: int = pydantic.Field(2, ge=1)
    learning_rate: float = pydantic.Field(1e-3, gt=0.0)
    clip_norm: float | None = pydantic.Field(10.0, gt=0.0)
    precision: Literal["float32", "bfloat16"] = "float32"
    shuffle_rows: int = pydantic.Field(40_960, ge=1)
    seed: int = pydantic.Field(0, ge=0, lt=2**31)
    deterministic: bool = True
    log_seconds: float = pydantic.Field(10.0, gt=0.0)


class EvaluateConfig(StrictModel):
    """The `evaluate:` section.

    Args:
        gauc_weight_by: How groups are averaged; see `models.metrics.group_auc`.
    """

    gauc_weight_by: Literal["impressions", "clicks", "uniform"] = "impressions"


class RunConfig(StrictModel):
    """Everything that a run is made of; saved with it, resolved, as `config.yaml`."""

    data: DataConfig
    features: NamedFeatures
    groups: Groups = {}
    histories: dict[str, HistorySpec] = {}
    model: NetworkConfig = NetworkConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "RunConfig":
        try:
            label = self.feature_set.label
        except pydantic.ValidationError as error:  # the same sentence, without its frame
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(message) from None
        if label is None:
            raise ValueError("no feature has `role: label`. Name the column to predict.")
        return self

    @cached_property
    def feature_set(self) -> FeatureSet:
        """Features, groups and histories together."""
        return FeatureSet(features=self.features, groups=self.groups, histories=self.histories)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Reads a configuration file, the files it extends, and settings given as `key.path=value`.

    A file may say `extends: other.yaml`, relative to itself: its own settings are laid over the
    other's, mapping by mapping; `null` removes what was inherited, so that the default holds
    again, and `{}` empties an inherited mapping.

    Args:
        path: A YAML file.
        overrides: Such as `train.batch_size=8192`; values are YAML and win over the files.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    layers = [(f"--set {text}", _override(text)) for text in reversed(overrides)]
    layers += [(name, content) for name, content in _read_layers(Path(path))]
    merged: dict[str, Any] = {}
    for _, content in reversed(layers):
        merged = _merge(merged, content)
    return parse(RunConfig, merged, _finder(layers, str(path)))


def dump_config(config: RunConfig) -> str:
    """The resolved configuration as YAML; `load_config` reads it back to an equal one."""
    content = config.model_dump(mode="json", exclude_none=True)
    # A feature's settings are many, and most of them do not concern its kind.
    content["features"] = {
        name: spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        for name, spec in config.features.items()
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _read_layers(path: Path, seen: tuple[Path, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    """The file and those it extends, most specific first."""
    if path.resolve() in seen:
        raise ConfigError(f"{path} extends itself. Remove one `extends`.")
    content = _read_yaml(path, by=seen[-1] if seen else None)
    base = content.pop("extends", None)
    layers = [(str(path), content)]
    if base is not None:
        if not isinstance(base, str):
            raise ConfigError(f"{path}: extends must be one file name. Received: {base!r}.")
        # Relative to the working directory, as the user typed the first one.
        target = Path(os.path.normpath(path.parent / base))
        layers += _read_layers(target, (*seen, path.resolve()))
    return layers


def _read_yaml(path: Path, by: Path | None) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        asked = f" (extended by {by})" if by else ""
        raise ConfigError(
            f"{path}{asked} cannot be read: {error.strerror}. Give the path of a YAML file."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8. Give the path of a YAML file.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of sections such as `data:` and `model:`.")
    return content


def _override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise ConfigError(
            f"--set {text!r} must be key.path=value. For example: --set train.batch_size=8192"
        )
    try:
        content = yaml.safe_load(value)
    except yaml.YAMLError:
        content = value
    for part in reversed(key.split(".")):
        content = {part: content}
    return content


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif value and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = _merge({}, value) if isinstance(value, Mapping) else value
    return merged


def _finder(
    layers: Sequence[tuple[str, Mapping[str, Any]]], default: str
) -> Callable[[tuple[int | str, ...]], str]:
    """Tells in which file, or `--set`, a setting stands."""

    def find(location: tuple[int | str, ...]) -> str:
        for name, content in layers if location else ():
            current: Any = content
            for part in location:
                if not isinstance(current, Mapping) or part not in current:
                    break
                current = current[part]
            else:
                return name
        return default

    return find
