"""Configuration files, parsed: errors name the layer that holds a mistake."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from features.config import parse
from features.errors import ConfigError
from models.spec.component import WITHOUT_CLASSES
from models.spec.network_config import NetworkConfig
from pipeline.config.daily_config import DailyConfig
from pipeline.config.layers import Layers, preset_layers, read_layers, read_sections
from pipeline.config.run_config import DatasetConfig, RunConfig
from pipeline.system.quiet import import_tensorflow


def load_config(path: str | Path, overrides: Sequence[str] = (), check: bool = True) -> RunConfig:
    """Reads a configuration file, the files it extends, and settings given as `key.path=value`.

    A file may say `extends: other.yaml`, relative to itself, or `extends: movielens_100k/dataset`,
    a name as `path` takes it: its own settings are laid over the other's, mapping by mapping.
    `null` removes an inherited branch, cooperation loss, feature, group or history; `{}` empties an
    inherited mapping; another `type` drops the options of the inherited one. Branches and losses
    that no file names are those of MBCnet, and overrides are laid over them.

    `model: {preset: cetnet}` starts the network anew from `presets/cetnet.yaml`, whatever
    was inherited; the file's other settings of `model` are laid over it. What the preset says of
    training holds where no file says anything else. With `sizes: small` beside it, the layer sizes
    that were inherited stay (`kept_sizes`). What no file of the user's says, presets included, may
    follow from the data (`pipeline.config.fit_to_data`); `sizes: preset` keeps a preset's sizes.

    Args:
        path: Path of a YAML file; or the name of one of Concord's, such as movielens_100k/mbcnet.
        overrides: Such as `train.batch_size=8192`; values are YAML and win over the files.
        check: Whether to build the network, without data, to see that its parts fit each other.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    return load_layers(read_layers(path, overrides), check)


def parse_declared(layers: Layers) -> RunConfig:
    """The configuration as the layers have it, the options of its network's components unread.

    It needs no TensorFlow, and refuses all that can be refused without it.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    return parse(RunConfig, layers.merged, layers.find, WITHOUT_CLASSES)


def load_layers(layers: Layers, check: bool = True) -> RunConfig:
    """The configuration that layers make; see `load_config`.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    parse_declared(layers)
    import_tensorflow()
    config = parse(RunConfig, layers.merged, layers.find)
    if check:
        try:
            config.check_network()
        except ConfigError as error:
            sentence = str(error).removeprefix("network: ")
            raise ConfigError(f"{layers.asked}: model: {sentence}") from None
    return config.with_given(layers.of_the_user())


def load_dataset(path: str | Path, overrides: Sequence[str] = ()) -> DatasetConfig:
    """Reads what a file says of data and features: all that building a bundle needs.

    Args:
        path: Path or name, as `load_config` takes it; its other sections are not looked at.
        overrides: As for `load_config`.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    others = RunConfig.model_fields.keys() - DatasetConfig.model_fields.keys()
    layers = read_sections(path, overrides, but=others)
    return parse(DatasetConfig, layers.merged, layers.find)


def preset_training(name: str) -> dict[str, Any]:
    """What a preset says of training: its sections beside `model:`, as they are written.

    Raises:
        ConfigError: There is no such preset.
    """
    merged = preset_layers(name).merged
    return {section: content for section, content in merged.items() if section != "model"}


def load_preset(name: str, overrides: Sequence[str] = ()) -> NetworkConfig:
    """The network of a preset, or of any other configuration file.

    Args:
        name: Name of a preset, or the path of a YAML file.
        overrides: Such as `model.embedding.embedding_dim=8`.

    Raises:
        ConfigError: There is no such preset, or its file has a mistake.
    """
    layers = preset_layers(name, overrides)
    network = layers.merged.get("model", {})
    parse(NetworkConfig, network, layers.path, WITHOUT_CLASSES)
    import_tensorflow()
    return parse(NetworkConfig, network, layers.path)


def dump_config(config: RunConfig) -> str:
    """The resolved configuration as YAML; `load_config` reads it back to an equal one."""
    content = config.model_dump(mode="json")
    if config.daily == DailyConfig():  # it concerns no run by itself
        del content["daily"]
    # A feature's settings are many, and most of them do not concern its kind.
    content["features"] = {
        name: spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        for name, spec in config.features.items()
    }
    return yaml_text(content)


def yaml_text(content: Any) -> str:
    """YAML with mappings in the order that they have."""
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
