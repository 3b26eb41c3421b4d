"""Layers of settings: files that extend each other, presets, overrides, laid over each other."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from features.errors import ConfigError, did_you_mean
from models.spec.network_config import NetworkConfig
from pipeline.config.bounded_yaml import parse_yaml, read_yaml
from pipeline.config.kept_sizes import kept_sizes, sizes_of
from pipeline.config.shipped_files import config_file, is_shipped_preset, preset_file

Layer = tuple[str, dict[str, Any]]  # where it stands: a file or `--set ...`; what it says
# Mappings whose keys are names of the user's: there null removes an entry.
_NAMED_PARTS = (
    ("features",),
    ("groups",),
    ("histories",),
    ("model", "branches"),
    ("model", "cooperation"),
)
# Those that have entries where no file names any.
_NAMED_DEFAULTS = ("branches", "cooperation")


@dataclass(frozen=True)
class Layers:
    """What files and overrides say together.

    Args:
        path: The file that was asked for, as the user typed it.
        files: What the files say, presets among them, least specific first.
        overrides: What `--set` says beside presets, the later one last.
        asked: The file and all that `--set` says, as the user typed it.
    """

    path: str
    files: tuple[Layer, ...]
    overrides: tuple[Layer, ...] = ()
    asked: str = ""

    @cached_property
    def merged(self) -> dict[str, Any]:
        """The settings. Overrides are laid over branches and losses that no file names, too."""
        merged = _merge_layers({}, self.files)
        if self.overrides:
            merged = _merge(_network_defaults(merged), merged, self.path)
        return _merge_layers(merged, self.overrides)

    def find(self, location: Sequence[int | str]) -> str:
        """In which file, or `--set`, a setting stands, by its place such as ("train", "epochs")."""
        # Where a setting is missing, the layer that holds what it is missing from.
        for depth in range(len(location), 0, -1):
            for name, content in reversed([*self.files, *self.overrides]):
                if _holds(content, location[:depth]):
                    return name
        return self.path

    def said(self) -> list[tuple[bool, dict[str, Any]]]:
        """All that decides what the layers mean: whether each is Concord's own, and what it says.

        Least specific first; the configurations of layers that say the same are equal.
        """
        layers = [*self.files, *self.overrides]
        return [(is_shipped_preset(name), content) for name, content in layers]

    def of_the_user(self) -> list[dict[str, Any]]:
        """What the user says: all layers but Concord's presets, most specific first."""
        layers = reversed([*self.files, *self.overrides])
        return [content for name, content in layers if not is_shipped_preset(name)]


def read_layers(path: str | Path, overrides: Sequence[str] = ()) -> Layers:
    """Reads a configuration file, the files it extends, presets, and `key.path=value` settings.

    Args:
        path: Path of a YAML file; or the name of one of Concord's, such as movielens_100k/mbcnet.
        overrides: Such as `train.batch_size=8192`; values are YAML and win over the files.

    Raises:
        ConfigError: A file cannot be read, there is no such preset, or `null` removes nothing.
    """
    given = _overrides(overrides)
    presets = [layer for layer in given if _preset_of(layer[1]) is not None]
    refinements = [layer for layer in given if layer not in presets]
    files = _with_presets([*reversed(_read_files(config_file(path))), *presets])
    asked = " ".join([str(path), *(name for name, _ in [*presets, *refinements])])
    return Layers(str(path), tuple(files), tuple(refinements), asked)


def read_sections(path: str | Path, overrides: Sequence[str], but: Collection[str]) -> Layers:
    """The same, and what they say in some sections left out. Presets are not looked at.

    Args:
        path: As for `read_layers`.
        overrides: As for `read_layers`.
        but: Names of the sections that are left out.

    Raises:
        ConfigError: A file cannot be read, or `null` removes nothing.
    """
    layers = [*reversed(_read_files(config_file(path))), *_overrides(overrides)]
    kept = [
        (name, {key: value for key, value in content.items() if key not in but})
        for name, content in layers
    ]
    return Layers(str(path), tuple(kept))


def preset_layers(name: str, overrides: Sequence[str] = ()) -> Layers:
    """What a preset, or any other configuration file, says of a network and its training.

    Args:
        name: Name of a preset, or the path of a YAML file.
        overrides: Such as `model.embedding.embedding_dim=8`.

    Raises:
        ConfigError: There is no such preset, its file cannot be read, or `null` removes nothing.
    """
    files = _with_presets([("", {"model": {"preset": name}})])
    return Layers(str(preset_file(name)), (*files, *_overrides(overrides)))


def _read_files(path: Path, seen: tuple[Path, ...] = ()) -> list[Layer]:
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
        layers += _read_files(target, (*seen, path.resolve()))
    return layers


def _with_presets(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, least specific first, with the files of the presets that they name.

    A preset's network stands where it is named; how it was trained stands under all files.
    """
    protocol: list[Layer] = []
    resolved: list[Layer] = []
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
            of_preset = _with_presets([*reversed(_read_files(file))])
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


def _overrides(texts: Sequence[str]) -> list[Layer]:
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
    defaults = {part: NetworkConfig.model_fields[part].default for part in _NAMED_DEFAULTS}
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
