"""Which models are served: TensorFlow Serving's models.config, or one folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from features.errors import ConfigError
from serving.export_format.export_layout import (
    EXPORT_OF_RUN,
    MODEL_NAME,
    SAVED_MODEL,
    is_version_name,
    model_name,
)
from serving.server.lifecycle.versions import Policy, find_versions


@dataclass(frozen=True)
class ModelConfig:
    """A model to serve.

    Attributes:
        name: What clients call it.
        base_path: Folder of its versions.
        policy: Which of them to serve.
        labels: Label -> version. A label can be asked for while its version is loaded.
    """

    name: str
    base_path: Path
    policy: Policy = field(default_factory=Policy)
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def from_folder(path: str | Path, name: str | None = None) -> ModelConfig:
    """A single model from the folder of a run, of versions, or of one version.

    Args:
        path: Folder of a run or of versions, whose latest export is served, and newer ones as they
            appear; or a version folder, which is served alone.
        name: What clients call it; the name of the run's folder otherwise, or `model` where that
            cannot stand in a URL.

    Raises:
        ConfigError: There is no such folder, or no version in it, or the name cannot stand in a
            URL.
    """
    if name is not None and not MODEL_NAME.fullmatch(name):
        raise ConfigError(
            f"a model cannot be called {name!r}. Use letters, digits, _, - and . for a name, and "
            "begin with a letter, a digit or _."
        )
    folder = Path(path).absolute()
    if not folder.is_dir():
        raise ConfigError(
            f"{path} is not a folder. Give the folder of a run, of its exports, or a version."
        )
    if is_version_name(folder.name) and (folder / SAVED_MODEL).is_file():
        base, policy = folder.parent, Policy("specific", specific=frozenset({int(folder.name)}))
    elif not find_versions(folder) and find_versions(folder / EXPORT_OF_RUN):
        base, policy = folder / EXPORT_OF_RUN, Policy()
    elif find_versions(folder):
        base, policy = folder, Policy()
    else:
        raise ConfigError(
            f"{path} holds no export: neither a version folder such as 1 nor {EXPORT_OF_RUN}/1. "
            "Export first: python -m pipeline export RUN"
        )
    return ModelConfig(name or model_name(base), base, policy)


def read_config(path: str | Path) -> tuple[ModelConfig, ...]:
    """Reads a models.config: the text form of `tensorflow.serving.ModelServerConfig`.

    Raises:
        ConfigError: It cannot be read or parsed, or asks for what is not served here.
    """
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(Path(path).read_text("utf-8"), config)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Give a models.config.") from None
    except text_format.ParseError as error:
        raise ConfigError(
            f"{path} is no models.config: {' '.join(str(error).split())}. Expected the text form "
            "of tensorflow.serving.ModelServerConfig: model_config_list { config { ... } }"
        ) from None
    return from_proto(config, str(path))


def from_proto(
    config: model_server_config_pb2.ModelServerConfig, where: str
) -> tuple[ModelConfig, ...]:
    """The models of a parsed configuration.

    Args:
        config: Message that a file or a reload request gave.
        where: What to call it in errors.

    Raises:
        ConfigError: It asks for what is not served here.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise ConfigError(
            f"{where}: custom_model_config is not served here. Use model_config_list."
        )
    models = tuple(_model(each, where) for each in config.model_config_list.config)
    if not models:
        raise ConfigError(f"{where}: names no model. Add model_config_list {{ config {{ ... }} }}")
    for name in _repeated(model.name for model in models):
        raise ConfigError(f"{where}: two models are called {name!r}. Rename one.")
    return models


def _model(config: model_server_config_pb2.ModelConfig, where: str) -> ModelConfig:
    if not MODEL_NAME.fullmatch(config.name):
        raise ConfigError(
            f"{where}: a model is called {config.name!r}. Use letters, digits, _, - and . for a "
            "name, and begin with a letter, a digit or _."
        )
    if config.model_platform not in ("", "tensorflow"):
        raise ConfigError(
            f"{where}: model {config.name!r} has the platform {config.model_platform!r}, but only "
            "'tensorflow' is served. Correct its model_platform."
        )
    base = Path(config.base_path)
    if not base.is_absolute() or "\0" in config.base_path:
        raise ConfigError(
            f"{where}: model {config.name!r} has the base_path {config.base_path!r}. Give an "
            "absolute path, as TensorFlow Serving wants it."
        )
    policy = _policy(config, where)
    labels = dict(config.version_labels)
    if policy.kind == "specific" and not set(labels.values()) <= policy.specific:
        label = min(key for key, version in labels.items() if version not in policy.specific)
        raise ConfigError(
            f"{where}: model {config.name!r} has the label {label!r} for version {labels[label]}, "
            f"which is not among its versions {sorted(policy.specific)}. Add or correct it."
        )
    return ModelConfig(config.name, base, policy, MappingProxyType(labels))


def _policy(config: model_server_config_pb2.ModelConfig, where: str) -> Policy:
    choice = config.model_version_policy
    match choice.WhichOneof("policy_choice"):
        case "all":
            return Policy("all")
        case "specific":
            versions = frozenset(choice.specific.versions)
            if not versions or min(versions) < 0:
                raise ConfigError(
                    f"{where}: model {config.name!r} asks for the specific versions "
                    f"{sorted(versions)}. Name at least one, none below 0."
                )
            return Policy("specific", specific=versions)
        case _:
            return Policy("latest", latest=choice.latest.num_versions or 1)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
