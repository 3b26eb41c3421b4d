"""Builds a network from its configuration and what the data bundle says of the inputs."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import tf_keras

from features.errors import ConfigError, closest
from features.inputs import InputSpec
from models.config import Component, NetworkConfig
from models.embeddings import EmbeddingBank
from models.network import CooperativeNetwork


def build_network(
    config: NetworkConfig,
    inputs: Sequence[InputSpec],
    groups: Mapping[str, Sequence[str]],
) -> CooperativeNetwork:
    """The network that a configuration describes, all weights created.

    Example:
        >>> inputs = [InputSpec("user", "id", "user", 10), InputSpec("item", "id", "item", 20)]
        >>> network = build_network(NetworkConfig(), inputs, {"pair": ["user", "item"]})
        >>> network.branch_names
        ('efgc', 'cross', 'deep')

    Args:
        config: What to build.
        inputs: The inputs of the bundle.
        groups: Names of inputs by the name of their feature group.

    Raises:
        ConfigError: A group names an unknown feature, a branch needs groups that the data does
            not declare, or the parts do not fit each other.
    """
    check_groups(config, groups)
    names = [spec.name for spec in inputs]
    injected = {"groups": _positions(groups, names)}
    branches = {
        name: _construct(f"branches.{name}", each, name, injected)
        for name, each in config.branches.items()
    }
    cooperation = {
        name: (_construct(f"cooperation.{name}", each, name, injected), each.weight)
        for name, each in config.cooperation.items()
    }
    try:
        embeddings = EmbeddingBank(
            inputs,
            width=config.embedding.width,
            num_sets=1 if config.tables == "shared" else len(branches),
            stddev=config.embedding.stddev,
            l2=config.embedding.l2,
            name="embeddings",
        )
        return CooperativeNetwork(
            embeddings,
            branches,
            _construct("alignment", config.alignment, "alignment", injected),
            _construct("fusion", config.fusion, "fusion", injected),
            cooperation,
            config.heads,
        )
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"network: {error}") from error


def check_groups(
    config: NetworkConfig, groups: Mapping[str, Sequence[str]], prefix: str = ""
) -> None:
    """Refuses branches that cross feature groups where the data declares none.

    Raises:
        ConfigError: Names the branch, `prefix` in front.
    """
    for name, branch in config.branches.items():
        takes_groups = "groups" in inspect.signature(branch.cls.__init__).parameters
        if takes_groups and not groups:
            raise ConfigError(
                f"{prefix}branches.{name} crosses feature groups, and the features declare none. "
                "Declare `groups` with the features, or remove the branch."
            )


def _construct(
    where: str, component: Component, name: str, injected: Mapping[str, Any]
) -> tf_keras.layers.Layer:
    wanted = inspect.signature(component.cls.__init__).parameters
    filled = {key: value for key, value in injected.items() if key in wanted}
    try:
        return component.cls(**component.options, **filled, name=name)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _positions(groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    for group, members in groups.items():
        if not members:
            raise ConfigError(f"group {group!r} is empty. Name its features, or remove it.")
        for member in members:
            if member not in names:
                raise ConfigError(
                    f"group {group!r} names feature {member!r}, which is not an input of the "
                    f"network. {closest(member, names)}"
                )
    return [[names.index(member) for member in members] for members in groups.values()]
