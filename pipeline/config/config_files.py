"""Configuration files: layers that extend each other, overrides, and errors that name the layer."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from features.config import parse
from features.errors import ConfigError, did_you_mean
from models.spec.network_config import NetworkConfig
from pipeline.config.bounded_yaml import parse_yaml, read_yaml
from pipeline.config.kept_sizes import kept_sizes, sizes_of
from pipeline.config.run_config import DatasetConfig, RunConfig
from pipeline.config.shipped_files import config_file, is_shipped_preset, preset_file

# Mappings whose keys are names of the user's: there null removes an entry.
_NAMED_PARTS = (
    ("features",),
    ("groups",),
    ("histories",),
    ("model", "branches"),
    ("model", "cooperation"),
)


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
    given = _overrides(overrides)
    presets = [layer for layer in given if _preset_of(layer[1]) is not None]
    refinements = [layer for layer in given if layer not in presets]
    layers = _with_presets([*reversed(_read_layers(config_file(path))), *presets])
    merged = _merge_layers({}, layers)
    if refinements:
        merged = _merge(_network_defaults(merged), merged, str(path))
        merged = _merge_layers(merged, refinements)
    layers = [*reversed([*layers, *refinements])]  # most specific first
    config = parse(RunConfig, merged, _finder(layers, str(path)))
    if check:
        try:
            config.check_network()
        except ConfigError as error:
            where = " ".join([str(path), *(name for name, _ in [*presets, *refinements])])
            raise ConfigError(f"{where}: model: {str(error).removeprefix('network: ')}") from None
    return config.with_given([content for name, content in layers if not is_shipped_preset(name)])


def load_dataset(path: str | Path, overrides: Sequence[str] = ()) -> DatasetConfig:
    """Reads what a file says of data and features: all that building a bundle needs.

    Args:
        path: Path or name, as `load_config` takes it; its other sections are not looked at.
        overrides: As for `load_config`.

    Raises:
        ConfigError: A sentence on the first mistake, naming the file and the setting.
    """
    layers = [*reversed(_read_layers(config_file(path))), *_overrides(overrides)]
    sections = DatasetConfig.model_fields
    others = RunConfig.model_fields.keys() - sections.keys()
    kept = [
        (name, {key: value for key, value in content.items() if key not in others})
        for name, content in layers
    ]
    return parse(DatasetConfig, _merge_layers({}, kept), _finder([*reversed(kept)], str(path)))


def preset_training(name: str) -> dict[str, Any]:
    """What a preset says of training: its sections beside `model:`, as they are written.

    Raises:
        ConfigError: There is no such preset.
    """
    layers = _with_presets([("", {"model": {"preset": name}})])
    return _without(_merge_layers({}, layers), "model")


def load_preset(name: str, overrides: Sequence[str] = ()) -> NetworkConfig:
    """The network of a preset, or of any other configuration file.

    Args:
        name: Name of a preset, or the path of a YAML file.
        overrides: Such as `model.embedding.embedding_dim=8`.

    Raises:
        ConfigError: There is no such preset, or its file has a mistake.
    """
    layers = _with_presets([("", {"model": {"preset": name}})])
    merged = _merge_layers({}, [*layers, *_overrides(overrides)])
    return parse(NetworkConfig, merged.get("model", {}), str(preset_file(name)))


def dump_config(config: RunConfig) -> str:
    """The resolved configuration as YAML; `load_config` reads it back to an equal one."""
    content = config.model_dump(mode="json")
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
        target = Path(os.path.normpath(config_file(base, path.parent)))
        layers += _read_layers(target, (*seen, path.resolve()))
    return layers


def _with_presets(
    layers: Sequence[tuple[str, dict[str, Any]]],
) -> list[tuple[str, dict[str, Any]]]:
    """The layers, least specific first, with the files of the presets that they name.

    A preset's network stands where it is named; how it was trained stands under all files.
    """
    protocol: list[tuple[str, dict[str, Any]]] = []
    resolved: list[tuple[str, dict[str, Any]]] = []
    for name, content in layers:
        preset = _preset_of(content)
        if preset is not None:
            sizes = _sizes_of(content, name)
            inherited = _merge_layers({}, resolved).get("model") or {}
            # What was inherited is another network.
            resolved = [(where, _without(layer, "model")) for where, layer in resolved]
            # What --set says is relative to where the user is.
            folder = Path() if name.startswith("--set ") else Path(name).parent
            file = preset_file(preset, folder)
            of_preset = _with_presets([*reversed(_read_layers(file))])
            protocol = [(where, _without(layer, "model")) for where, layer in of_preset]
            networks = [
                (where, {"model": layer["model"]}) for where, layer in of_preset if "model" in layer
            ]
            resolved += networks
            if sizes != "fit":
                network = _merge_layers({}, networks).get("model") or {}
                kept = sizes_of(network) if sizes == "preset" else kept_sizes(network, inherited)
                resolved.append((f"{name} sizes: {sizes}", {"model": kept}))
            network = _without(_without(content["model"], "preset"), "sizes")
            content = _without(content, "model") | ({"model": network} if network else {})
        resolved.append((name, content))
    return [*protocol, *resolved]


def _sizes_of(content: Mapping[str, Any], where: str) -> str:
    sizes = content["model"].get("sizes", "fit")
    if sizes not in ("fit", "preset", "small"):
        raise ConfigError(
            f"{where}: model.sizes must be fit, sizes that fit the data, preset, those of the "
            "preset, or small, those of the configuration that it is laid over. "
            f"Received: {sizes!r}."
        )
    return sizes


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def _preset_of(content: Mapping[str, Any]) -> str | None:
    network = content.get("model")
    return network.get("preset") if isinstance(network, Mapping) else None


def _read_yaml(path: Path, by: Path | None) -> dict[str, Any]:
    try:
        content = read_yaml(path)
    except OSError as error:
        asked = f" (extended by {by})" if by else ""
        raise ConfigError(
            f"{path}{asked} cannot be read: {error.strerror}. Give the path of a YAML file."
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of sections such as `data:` and `model:`.")
    return content


def _overrides(texts: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"--set {text}", _override(text)) for text in texts]


def _override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise ConfigError(
            f"--set {text!r} must be key.path=value. For example: --set train.batch_size=8192"
        )
    try:
        content = parse_yaml(value)
    except (yaml.YAMLError, ValueError):
        content = value
    for part in reversed(key.split(".")):
        content = {part: content}
    return content


def _network_defaults(merged: Mapping[str, Any]) -> dict[str, Any]:
    """The branches and losses that hold where the files name none."""
    network = merged.get("model") or {}
    defaults = NetworkConfig().model_dump(mode="json", include={"branches", "cooperation"})
    if not isinstance(network, Mapping):
        return {}
    return {"model": {part: value for part, value in defaults.items() if part not in network}}


def _merge_layers(
    base: Mapping[str, Any], layers: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Layers laid over each other, least specific first."""
    merged = dict(base)
    for name, content in layers:
        merged = _merge(merged, content, name)
    return merged


def _merge(
    base: Mapping[str, Any], over: Mapping[str, Any], where: str, path: tuple[str, ...] = ()
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inherited = merged.get(key)
        if value is None and path in _NAMED_PARTS:
            if key not in merged:
                name = ".".join((*path, key))
                raise ConfigError(
                    f"{where}: {name} is null, but nothing of that name is inherited that could "
                    f"be removed. {did_you_mean(key, merged, '.'.join(path) + '.')}"
                )
            del merged[key]
        elif isinstance(value, Mapping) and value:
            below = inherited if isinstance(inherited, Mapping) else {}
            if _is_component(path, key):
                if isinstance(inherited, str):
                    below = {"type": inherited}
                if value.get("type") not in (None, below.get("type", key)):
                    below = {}  # the options of another class
            merged[key] = _merge(below, value, where, (*path, key))
        else:
            merged[key] = value
    return merged


def _is_component(path: tuple[str, ...], key: str) -> bool:
    named = path in (("model", "branches"), ("model", "cooperation"))
    return named or (path == ("model",) and key in ("alignment", "fusion", "tower"))


def _holds(content: Mapping[str, Any], location: Sequence[int | str]) -> bool:
    current: Any = content
    for part in location:
        if not isinstance(current, Mapping) or part not in current:
            return False
        current = current[part]
    return True


def _finder(
    layers: Sequence[tuple[str, Mapping[str, Any]]], default: str
) -> Callable[[tuple[int | str, ...]], str]:
    """Tells in which file, or `--set`, a setting stands."""

    def find(location: tuple[int | str, ...]) -> str:
        # Where a setting is missing, the layer that holds what it is missing from.
        for depth in range(len(location), 0, -1):
            for name, content in layers:
                if _holds(content, location[:depth]):
                    return name
        return default

    return find
