"""The layer sizes of a configuration, kept when a preset takes the place of its network."""

from collections.abc import Mapping
from typing import Any

from features.errors import ConfigError
from models.spec.network_config import NetworkConfig
from pipeline.system.quiet import import_tensorflow

_SIZES = ("num_layers", "rank")  # and what ends in `units`


def kept_sizes(preset: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be laid over a preset's `model:` so that it has the sizes of another network.

    The embedding section is the other network's; so are, in its alignment, its tower, and the
    branches of the same name, or else of the same type, the options that end in `units`,
    `num_layers` and `rank`. A branch that has no counterpart and no size but its `output_units`
    takes those of the others.

    Args:
        preset: The preset's `model:` section.
        inherited: That of the configuration.

    Raises:
        ConfigError: The configuration has no sizes for a branch.
    """
    branches = _parts(preset.get("branches"))
    others = _parts(inherited.get("branches"))
    kept: dict[str, Any] = {"branches": {}}
    if inherited.get("embedding"):
        kept["embedding"] = dict(inherited["embedding"])
    for name in ("alignment", "tower"):
        options = _parts({name: preset.get(name)}).get(name, {})
        own = _parts({name: inherited.get(name)}).get(name, {})
        if options and options.get("type") == own.get("type"):
            kept[name] = _sizes(own)
    for name, options in branches.items():
        counterpart = _counterpart(name, options["type"], others)
        if counterpart is not None:
            kept["branches"][name] = _sizes(counterpart)
            continue
        common = {each["output_units"] for each in others.values() if each.get("output_units")}
        if set(_sizes(options)) != {"output_units"} or len(common) != 1:
            raise ConfigError(
                f"sizes: small keeps the layer sizes of the configuration, which has none for the "
                f"preset's branch {name} ({options['type']}). Received: "
                f"{', '.join(others) or 'no branches'}. Leave sizes out: layers then fit the data. "
                "Or name a configuration with small layers, such as movielens_100k/mbcnet."
            )
        kept["branches"][name] = {"output_units": common.pop()}
    return {name: value for name, value in kept.items() if value}


def sizes_of(network: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's own embedding section and layer sizes, to be laid over it as a user's choice.

    A size that the preset leaves to a branch's class is that of the class.

    Args:
        network: The preset's `model:` section.
    """
    import_tensorflow()
    resolved = NetworkConfig.model_validate(network).model_dump(mode="json")
    branches = _parts(resolved["branches"])
    kept: dict[str, Any] = {
        "branches": {name: _sizes(options) for name, options in branches.items()},
        "embedding": {
            name: resolved["embedding"][name] for name in ("embedding_dim", "stddev", "l2")
        },
    }
    for name in ("alignment", "fusion", "tower"):
        kept[name] = _sizes(_parts({name: resolved[name]}).get(name, {}))
    return {name: value for name, value in kept.items() if value}


def _parts(section: Any) -> dict[str, dict[str, Any]]:
    """Options of each part with its type, which is its name where none is given."""
    parts = {}
    for name, options in (section or {}).items():
        if isinstance(options, str):
            options = {"type": options}
        if isinstance(options, Mapping):
            parts[name] = {"type": name, **options}
    return parts


def _counterpart(
    name: str, kind: str, others: Mapping[str, dict[str, Any]]
) -> dict[str, Any] | None:
    if others.get(name, {}).get("type") == kind:
        return others[name]
    same = [options for options in others.values() if options["type"] == kind]
    return same[0] if len(same) == 1 else None


def _sizes(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key.endswith("units") or key in _SIZES}
