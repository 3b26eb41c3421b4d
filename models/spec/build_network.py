"""Builds a network from its configuration and what the data bundle says of the inputs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import tf_keras

from features.errors import ConfigError, did_you_mean
from features.inputs import InputSpec
from models.branches import Branch, as_branch
from models.embeddings.bank import EmbeddingBank
from models.embeddings.embedding_inputs import aligned_sequences, target_of_sequences
from models.embeddings.embedding_layout import EmbeddingLayout
from models.embeddings.row_slots import RowSlots
from models.network.cooperative_network import CooperativeNetwork
from models.private_keras import error_of_layer
from models.spec.component import Component
from models.spec.network_config import NetworkConfig


def build_network(
    config: NetworkConfig,
    inputs: Sequence[InputSpec],
    groups: Mapping[str, Sequence[str]],
    teachers: Sequence[CooperativeNetwork] = (),
    slots: RowSlots | None = None,
    check_layout: Callable[[EmbeddingLayout], None] | None = None,
    base_rate: float = 0.5,
) -> CooperativeNetwork:
    """The network that a configuration describes, all weights created.

    Example:
        >>> user = InputSpec("user", "categorical", "user", 10)
        >>> item = InputSpec("item", "categorical", "item", 20)
        >>> network = build_network(NetworkConfig(), [user, item], {"pair": ["user", "item"]})
        >>> network.branch_names
        ('efgc', 'cross', 'deep')

    Args:
        config: What to build.
        inputs: The inputs of the bundle.
        groups: Names of inputs by the name of their feature group.
        teachers: Trained networks on the same inputs, for the losses that need them.
        slots: What an optimizer keeps in the rows of the tables, behind their weights
            (`models.optimizers.row_slots_of`); None for nothing.
        check_layout: Called with the embeddings' layout before any weight is created; may refuse
            it.
        base_rate: Click rate of the training rows, for the losses that take it.

    Raises:
        ConfigError: A group names an unknown feature, a branch needs groups or histories that the
            data does not declare, or the parts do not fit each other.
    """
    check_needs(config, inputs, groups)
    try:
        layout = _layout(config, inputs)
        injected = {"groups": _positions(groups, layout), "fields": layout.field_names}
        branches = _branches(config, injected)
        embedding_sets, gate_table = _embedding_sets(config, branches)
        layout = _with_sets(layout, config, branches, embedding_sets, gate_table)
        if check_layout is not None:
            check_layout(layout)
        embeddings = _embeddings(config, layout, slots)
        return _network(
            config, embeddings, branches, embedding_sets, gate_table, injected, teachers, base_rate
        )
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"network: {_in_one_line(error_of_layer(error))}") from error
    except Exception as error:
        own = config.own_classes
        if not own:
            raise
        raised = error_of_layer(error)
        raise ConfigError(
            f"network: a class of your own failed ({', '.join(own)}): {type(raised).__name__}: "
            f"{_in_one_line(raised)}. Call it by itself on a batch of 0 and of 4 rows to see where."
        ) from error


def check_needs(
    config: NetworkConfig,
    inputs: Sequence[InputSpec],
    groups: Mapping[str, Sequence[str]],
    prefix: str = "",
) -> None:
    """Refuses branches that need what the data does not declare.

    Raises:
        ConfigError: Names the branch, `prefix` in front.
    """
    histories = aligned_sequences(inputs)
    for name, branch in config.branches.items():
        needs = branch.needs
        where = f"{prefix}branches.{name}"
        if "groups" in needs and not groups:
            raise ConfigError(
                f"{where} crosses feature groups, and the features declare none. "
                "Declare `groups` with the features, or remove the branch."
            )
        if needs & {"history", "target"} and not histories:
            raise ConfigError(
                f"{where} ({branch.type}) reads the user's history, and the features declare none. "
                "Declare a feature of `kind: sequence`, or choose a branch without history such as "
                "deep or low_rank_cross_mixture."
            )
        if "target" in needs and not target_of_sequences(inputs):
            sequences = [name for names in histories.values() for name in names]
            raise ConfigError(
                f"{where} ({branch.type}) compares a history with the example's own item, and no "
                "categorical feature shares a vocabulary with a sequence "
                f"({', '.join(sequences)}). "
                "Set `vocabulary` of a sequence to the feature it lists, such as item_id."
            )


def _branches(config: NetworkConfig, injected: Mapping[str, Any]) -> dict[str, Branch]:
    """The branches by name, copies among them; a layer that copies share stands under each."""
    layers = {
        (name, copy): as_branch(_construct(f"branches.{name}", component, name, injected))
        for name, component in config.branches.items()
        for copy in ([name] if component.share_weights else _copies(config, name))
    }
    return {
        copy: layers.get((name, copy)) or layers[(name, name)]
        for copy, name in config.branch_copies.items()
    }


def _with_sets(
    layout: EmbeddingLayout,
    config: NetworkConfig,
    branches: Mapping[str, Branch],
    embedding_sets: Mapping[str, Sequence[int]],
    gate_table: int | None,
) -> EmbeddingLayout:
    """The layout with all embedding sets: only the branches say how many there are."""
    first_order = {
        embedding_sets[name][0] for name, branch in branches.items() if branch.uses_first_order
    }
    num_sets = 1 + max(_numbers(embedding_sets, gate_table))
    return replace(
        layout,
        num_sets=num_sets,
        first_order=sorted(first_order),
        set_dims=_set_dims(config, embedding_sets, num_sets),
    )


def _embeddings(
    config: NetworkConfig, layout: EmbeddingLayout, slots: RowSlots | None
) -> EmbeddingBank:
    return EmbeddingBank(
        layout,
        stddev=config.embedding.stddev,
        l2=config.embedding.l2,
        initializer=config.embedding.initializer,
        l2_batch=config.embedding.l2_batch,
        frequency_stddev=config.embedding.frequency_stddev,
        slots=slots,
        name="embeddings",
    )


def _network(
    config: NetworkConfig,
    embeddings: EmbeddingBank,
    branches: Mapping[str, Branch],
    embedding_sets: Mapping[str, Sequence[int]],
    gate_table: int | None,
    injected: Mapping[str, Any],
    teachers: Sequence[CooperativeNetwork],
    base_rate: float,
) -> CooperativeNetwork:
    """The network around its embeddings and branches: the parts of the other axes."""
    losses = config.cooperation.items()
    return CooperativeNetwork(
        embeddings,
        branches,
        _construct("alignment", config.alignment, "alignment", injected),
        _construct("fusion", config.fusion, "fusion", injected),
        {
            name: (_construct(f"cooperation.{name}", loss, name, injected), loss.weight)
            for name, loss in losses
        },
        config.heads,
        tower=config.tower and _construct("tower", config.tower, "tower", injected),
        embedding_sets=embedding_sets,
        gate_table=gate_table,
        logloss_weights=config.logloss_weights,
        teachers=teachers,
        warmup_steps={name: loss.warmup_steps for name, loss in losses if loss.warmup_steps},
        base_rate=base_rate,
        projections=_projections(config, branches, injected),
        dense_l2=config.dense_l2,
    )


def _projections(
    config: NetworkConfig, branches: Mapping[str, Branch], injected: Mapping[str, Any]
) -> dict[str, tf_keras.layers.Layer] | None:
    if config.projection is None:
        return None
    return {
        name: _construct("projection", config.projection, f"projection_{name}", injected)
        for name in branches
    }


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _copies(config: NetworkConfig, name: str) -> list[str]:
    return [copy for copy, entry in config.branch_copies.items() if entry == name]


def _layout(config: NetworkConfig, inputs: Sequence[InputSpec]) -> EmbeddingLayout:
    """The layout of one embedding set, which is enough to tell which fields there are."""
    embedding = config.embedding
    return EmbeddingLayout(
        inputs,
        config.field_dim,
        embedding_dims=embedding.embedding_dims,
        compressed={name: entry.model_dump() for name, entry in embedding.compressed.items()},
        numeric=embedding.numeric,
        numeric_units=embedding.numeric_units,
        num_frequencies=embedding.num_frequencies,
        given={name: entry.dimension for name, entry in embedding.given.items()},
    )


def _embedding_sets(
    config: NetworkConfig, branches: Mapping[str, Branch]
) -> tuple[dict[str, tuple[int, ...]], int | None]:
    """The embedding sets of each branch, its own first, and that of the gate."""
    own = {name: i for i, name in enumerate(dict.fromkeys(config.table_of.values()))}
    count = len(own)
    sets = {}
    for name, branch in branches.items():
        extra = branch.num_extra_sets
        sets[name] = (own[config.table_of[name]], *range(count, count + extra))
        count += extra
    if "gate_input" not in config.fusion.takes:
        return sets, None
    return sets, count if config.gate_table == "own" else sets[config.gate_table][0]


def _set_dims(
    config: NetworkConfig, embedding_sets: Mapping[str, Sequence[int]], num_sets: int
) -> list[int]:
    """Length of the field embeddings of each set; none where all have that of the configuration."""
    given = config.embedding.set_dims
    if not given:
        return []
    dims = [config.field_dim] * num_sets
    for branch, sets in embedding_sets.items():
        for m in sets:  # the extra ones, too
            dims[m] = given.get(config.table_of[branch], config.field_dim)
    return dims


def _numbers(embedding_sets: Mapping[str, Sequence[int]], gate_table: int | None) -> list[int]:
    return [m for sets in embedding_sets.values() for m in sets] + [gate_table or 0]


def _construct(
    where: str, component: Component, name: str, injected: Mapping[str, Any]
) -> tf_keras.layers.Layer:
    parameters = inspect.signature(component.cls.__init__).parameters
    filled = {key: value for key, value in injected.items() if key in parameters}
    try:
        return component.cls(**component.options, **filled, name=name)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _positions(groups: Mapping[str, Sequence[str]], layout: EmbeddingLayout) -> list[list[int]]:
    names = [spec.name for spec in layout.inputs]
    for group, members in groups.items():
        if not members:
            raise ConfigError(f"group {group!r} is empty. Name its features, or remove it.")
        for member in members:
            if member not in names:
                raise ConfigError(
                    f"group {group!r} names feature {member!r}, which is not an input of the "
                    f"network. {did_you_mean(member, names)}"
                )
    # Numeric inputs may share a field embedding: it stands in the group once.
    return [
        list(dict.fromkeys(layout.position_of(member) for member in members))
        for members in groups.values()
    ]
